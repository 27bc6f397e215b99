import java.io.BufferedReader;
import java.io.ByteArrayOutputStream;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.util.Arrays;
import org.apache.kafka.common.utils.Exit;

/** Runs the main methods of Kafka's own tools, one after the other in one machine, which saves their start.
 *  Standard input: a line a command, class and arguments parted by tabs.  Standard output: what it printed, with a line
 *  `exit CODE` behind it. */
public final class Tools {
    private static final ByteArrayOutputStream seen = new ByteArrayOutputStream();
    private static String atExit; /* what a tool had printed when it first wanted to end */
    private static int code;

    /** Some tools catch whatever is thrown here, complain of it and end once more: the first time counts. */
    private static void end(int wanted) {
        if (atExit == null) {
            System.out.flush();
            atExit = seen.toString();
            code = wanted;
        }
        throw new Error("ended");
    }

    private static void run(String[] words) throws Exception {
        try {
            Class.forName(words[0]).getMethod("main", String[].class)
                .invoke(null, (Object) Arrays.copyOfRange(words, 1, words.length));
        } catch (InvocationTargetException e) {
            if (atExit != null) return;
            e.getCause().printStackTrace();
            code = 1;
        }
    }

    public static void main(String[] arguments) throws Exception {
        Exit.setExitProcedure((wanted, message) -> end(wanted));
        Exit.setHaltProcedure((wanted, message) -> end(wanted));
        PrintStream out = System.out, both = new PrintStream(seen, true); /* one for all: Scala keeps the first it saw */
        System.setOut(both);
        System.setErr(both);
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            seen.reset();
            atExit = null;
            code = 0;
            run(line.split("\t"));
            both.flush();
            out.print((atExit == null ? seen.toString() : atExit) + "\nexit " + code + "\n");
            out.flush();
        }
    }
}
