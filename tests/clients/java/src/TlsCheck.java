import java.io.FileInputStream;
import java.time.Duration;
import java.util.Collections;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** Kafka's own consumer over TLS: reads offsets 0 .. RECORDS-1.
 *  usage: TlsCheck PROPERTIES-FILE TOPIC RECORDS; prints the bytes of all values and ends with 0, or says what differs. */
public final class TlsCheck {
    public static void main(String[] args) throws Exception {
        Properties p = new Properties();
        try (FileInputStream in = new FileInputStream(args[0])) {
            p.load(in);
        }
        TopicPartition partition = new TopicPartition(args[1], 0);
        long end = Long.parseLong(args[2]), next = 0, bytes = 0, until = System.currentTimeMillis() + 40000;
        try (KafkaConsumer<byte[], byte[]> c =
                 new KafkaConsumer<>(p, new ByteArrayDeserializer(), new ByteArrayDeserializer())) {
            c.assign(Collections.singletonList(partition));
            c.seekToBeginning(Collections.singletonList(partition));
            while (next < end) {
                if (System.currentTimeMillis() > until) throw new AssertionError("no record " + next);
                for (ConsumerRecord<byte[], byte[]> r : c.poll(Duration.ofMillis(200))) {
                    if (r.offset() != next) throw new AssertionError(r.offset() + " where " + next + " belongs");
                    if (next++ < end) bytes += r.value().length;
                }
            }
        }
        System.out.println(bytes);
    }
}
