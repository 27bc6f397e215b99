import java.util.Collections;
import java.util.HashMap;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** What a consumer of 0.10 and 0.11 can do: read all in a group, commit with metadata, come back there, seek.
 *  usage: OldCheck BOOTSTRAP TOPIC RECORDS; prints "ok" and ends with 0, or says what differs. */
public final class OldCheck {
    private static String bootstrap;
    private static TopicPartition partition;

    private static void check(boolean holds, String what) {
        if (!holds) throw new AssertionError(what);
    }

    private static KafkaConsumer<byte[], byte[]> consumer() {
        Properties p = new Properties();
        p.put("bootstrap.servers", bootstrap);
        p.put("group.id", "old-java");
        p.put("auto.offset.reset", "earliest");
        p.put("enable.auto.commit", "false");
        p.put("session.timeout.ms", "20000");
        p.put("max.partition.fetch.bytes", "3000"); /* many fetches, each from inside a batch */
        KafkaConsumer<byte[], byte[]> c =
            new KafkaConsumer<>(p, new ByteArrayDeserializer(), new ByteArrayDeserializer());
        c.subscribe(Collections.singletonList(partition.topic()));
        return c;
    }

    private static void read(KafkaConsumer<byte[], byte[]> c, long next, long end) {
        long until = System.currentTimeMillis() + 40000;
        while (next < end) {
            check(System.currentTimeMillis() < until, "no record " + next);
            for (ConsumerRecord<byte[], byte[]> r : c.poll(200)) {
                check(r.offset() == next, "offset " + r.offset() + " where " + next + " belongs");
                check(r.timestamp() >= 1700000000000L, "time " + r.timestamp());
                check(r.value() != null && r.value().length > 16, "value");
                next++;
            }
        }
    }

    public static void main(String[] arguments) {
        bootstrap = arguments[0];
        partition = new TopicPartition(arguments[1], 0);
        long count = Long.parseLong(arguments[2]), half = count / 2;
        KafkaConsumer<byte[], byte[]> c = consumer();
        read(c, 0, count);
        Map<TopicPartition, OffsetAndMetadata> m = new HashMap<>();
        m.put(partition, new OffsetAndMetadata(half, "1700000000"));
        c.commitSync(m);
        c.close();
        c = consumer();
        read(c, half, count);
        check(c.committed(partition).offset() == half, "committed " + c.committed(partition));
        check(c.committed(partition).metadata().equals("1700000000"), "metadata");
        c.seek(partition, count - 7); /* inside a batch */
        read(c, count - 7, count);
        c.close();
        System.out.println("ok");
    }
}
