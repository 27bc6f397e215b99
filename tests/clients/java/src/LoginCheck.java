import java.util.Collections;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;

/** Kafka's own consumer logs in and reads for a while; in the words that all releases from 0.10.2 to 3.9 know.
 *  usage: LoginCheck BOOTSTRAP MECHANISM USER PASSWORD TOPIC LIMIT SECONDS
 *  Waits for the first record for LIMIT seconds, reads on for SECONDS.
 *  Prints "read N" (distinct offsets) or "refused CLASS", or "nothing": old releases do not say that they were refused. */
public final class LoginCheck {
    @SuppressWarnings("deprecation")
    public static void main(String[] a) {
        String module = a[1].equals("PLAIN") ? "plain.PlainLoginModule" : "scram.ScramLoginModule";
        Properties p = new Properties();
        p.put("bootstrap.servers", a[0]);
        p.put("group.id", "somebody-else's");
        p.put("enable.auto.commit", "false");
        p.put("security.protocol", "SASL_PLAINTEXT");
        p.put("sasl.mechanism", a[1]);
        p.put("sasl.jaas.config", "org.apache.kafka.common.security." + module + " required username=\"" + a[2]
            + "\" password=\"" + a[3] + "\";");
        p.put("key.deserializer", "org.apache.kafka.common.serialization.ByteArrayDeserializer");
        p.put("value.deserializer", "org.apache.kafka.common.serialization.ByteArrayDeserializer");
        long until = System.currentTimeMillis() + Long.parseLong(a[5]) * 1000, offset = -1, count = 0;
        long more = Long.parseLong(a[6]) * 1000;
        TopicPartition partition = new TopicPartition(a[4], 0);
        KafkaConsumer<byte[], byte[]> c = new KafkaConsumer<>(p);
        try {
            c.assign(Collections.singletonList(partition));
            c.seek(partition, 0);
            while (System.currentTimeMillis() < until)
                for (ConsumerRecord<byte[], byte[]> r : c.poll(100)) {
                    if (r.offset() != offset + 1) throw new AssertionError(r.offset() + " behind " + offset);
                    offset = r.offset();
                    if (count++ == 0) until = System.currentTimeMillis() + more;
                }
            System.out.println(count > 0 ? "read " + count : "nothing");
        } catch (org.apache.kafka.common.KafkaException e) {
            System.out.println("refused " + e.getClass().getSimpleName());
        }
        System.exit(0);
    }
}
