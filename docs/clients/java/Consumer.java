import java.io.File;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.WakeupException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * Reads a millrace channel: prints each change, and moves the group's checkpoint behind what was handled.
 *
 * usage: MILLRACE_PASSWORD=... mvn -q compile exec:java [-Dexec.args=SECONDS]
 *        goes on at the group's checkpoint, else at the oldest record; SECONDS (Unix time): goes back to that time first
 * needs: Java 11, pom.xml and record.avsc beside this file
 */
public final class Consumer {
    private static final String ADDRESS = env("MILLRACE_ADDRESS", "ADDRESS");
    private static final String TOPIC = env("MILLRACE_TOPIC", "TOPIC");
    private static final String GROUP = env("MILLRACE_GROUP", "GROUP");
    private static final String USER = env("MILLRACE_USER", "USER"); // <account>-<group>
    private static final String PROTOCOL = env("MILLRACE_PROTOCOL", "PROTOCOL"); // SASL_PLAINTEXT, or by TLS SASL_SSL

    private static Long fromMs; // once: a later assignment goes on at the checkpoint

    private static String env(String name, String otherwise) {
        return System.getenv().getOrDefault(name, otherwise);
    }

    private static Properties settings() {
        Properties p = new Properties();
        p.put("bootstrap.servers", ADDRESS);
        p.put("group.id", GROUP);
        p.put("auto.offset.reset", "earliest");
        p.put("session.timeout.ms", "10000"); // when this one dies, the next of the group takes over after that
        p.put("enable.auto.commit", "false"); // commitSync below: what is committed is what was handled
        p.put("security.protocol", PROTOCOL);
        if (PROTOCOL.startsWith("SASL")) {
            p.put("sasl.mechanism", "SCRAM-SHA-256");
            p.put("sasl.jaas.config", "org.apache.kafka.common.security.scram.ScramLoginModule required username=\"" + USER
                + "\" password=\"" + env("MILLRACE_PASSWORD", "").replace("\\", "\\\\").replace("\"", "\\\"") + "\";");
        }
        if (System.getenv("MILLRACE_CA") != null) {
            p.put("ssl.truststore.type", "PEM");
            p.put("ssl.truststore.location", System.getenv("MILLRACE_CA"));
        }
        return p;
    }

    private static Stream<Integer> parts(GenericRecord value, String... names) {
        return Stream.of(names).map(name -> (Integer) value.get(name)).filter(part -> part != null);
    }

    private static String fraction(Object micros) {
        return micros == null || (Integer) micros == 0 ? "" : String.format(".%06d", Math.abs((Integer) micros));
    }

    /** A date has no hour, a TIME no year, a YEAR nothing else; `millis` are microseconds; a TIME may be negative. */
    private static String datetime(GenericRecord v) {
        String date = parts(v, "year", "month", "day").map(n -> String.format("%02d", n)).collect(Collectors.joining("-"));
        String time = parts(v, "hour", "minute", "second").map(n -> String.format("%02d", Math.abs(n)))
            .collect(Collectors.joining(":"));
        String sign = parts(v, "hour", "minute", "second", "millis").anyMatch(n -> n < 0) ? "-" : "";
        return (date + " " + sign + time + fraction(v.get("millis"))).trim();
    }

    /** A column's value: null, or a record of one of the schema's types. */
    private static String text(Object item) {
        if (item == null) return "NULL";
        if (!(item instanceof GenericRecord)) return ""; // EmptyObject: the column is not in the image
        GenericRecord v = (GenericRecord) item;
        switch (v.getSchema().getName()) {
            case "Timestamp": return v.get("timestamp") + fraction(v.get("millis"));
            case "DateTime": return datetime(v);
            case "TimestampWithTimeZone": return datetime((GenericRecord) v.get("value")) + " " + v.get("timezone");
            case "Character": // a channel with `text: utf8mb4` has all text in UTF-8
                return StandardCharsets.UTF_8.decode((ByteBuffer) v.get("value")).toString();
            case "BinaryObject":
            case "BinaryGeometry":
                StringBuilder hex = new StringBuilder();
                for (ByteBuffer b = (ByteBuffer) v.get("value"); b.hasRemaining();) hex.append(String.format("%02x", b.get()));
                return hex.toString();
            default: return v.get("value").toString();
        }
    }

    /** What your program does with a change; after a crash the last ones come again. */
    private static void handle(long offset, GenericRecord record) {
        String operation = record.get("operation").toString();
        switch (operation) {
            case "INSERT":
            case "UPDATE":
            case "DELETE":
                List<?> fields = (List<?>) record.get("fields");
                List<?> row = (List<?>) record.get(operation.equals("DELETE") ? "beforeImages" : "afterImages");
                StringBuilder line = new StringBuilder(offset + " " + operation + " " + record.get("objectName"));
                for (int i = 0; i < row.size(); i++)
                    line.append(' ').append(((GenericRecord) fields.get(i)).get("name")).append('=').append(text(row.get(i)));
                System.out.println(line);
                break;
            case "DDL":
                System.out.println(offset + " DDL " + record.get("objectName") + " " + record.get("afterImages"));
                break;
            default: // BEGIN and COMMIT are around a transaction's changes; a HEARTBEAT comes each second
        }
    }

    public static void main(String[] arguments) throws Exception {
        if (arguments.length > 0) fromMs = Long.parseLong(arguments[0]) * 1000;
        GenericDatumReader<GenericRecord> reader = new GenericDatumReader<>(new Schema.Parser().parse(new File("record.avsc")));
        KafkaConsumer<byte[], byte[]> consumer =
            new KafkaConsumer<>(settings(), new ByteArrayDeserializer(), new ByteArrayDeserializer());
        Thread main = Thread.currentThread();
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            consumer.wakeup();
            try {
                main.join(10000);
            } catch (InterruptedException e) { /* it ends anyway */ }
        }));
        consumer.subscribe(List.of(TOPIC), new ConsumerRebalanceListener() {
            @Override public void onPartitionsRevoked(Collection<TopicPartition> partitions) {}
            @Override public void onPartitionsAssigned(Collection<TopicPartition> partitions) {
                for (TopicPartition p : fromMs == null ? List.<TopicPartition>of() : partitions) {
                    OffsetAndTimestamp found = consumer.offsetsForTimes(Map.of(p, fromMs)).get(p);
                    if (found == null) consumer.seekToEnd(List.of(p)); // nothing is as young as that
                    else consumer.seek(p, found.offset());
                    fromMs = null;
                }
            }
        });
        try {
            BinaryDecoder decoder = null;
            while (true) {
                ConsumerRecords<byte[], byte[]> records = consumer.poll(Duration.ofSeconds(1));
                for (ConsumerRecord<byte[], byte[]> r : records) {
                    decoder = DecoderFactory.get().binaryDecoder(r.value(), decoder);
                    handle(r.offset(), reader.read(null, decoder));
                }
                if (!records.isEmpty()) consumer.commitSync();
            }
        } catch (WakeupException e) {
            // asked to end
        } finally {
            consumer.close(); // leaves the group
        }
    }
}
