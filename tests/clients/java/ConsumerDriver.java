import java.io.FileWriter;
import java.io.IOException;
import java.io.File;
import java.nio.ByteBuffer;
import java.util.Collections;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.zip.CRC32;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** The driver (tests/clients/README.md) of Kafka's own consumer, 0.10.0 to 4: compiled once, run with each release.
 *  What came or went between the releases is looked up by name. */
public final class ConsumerDriver {
    private static final TopicPartition partition = new TopicPartition(System.getenv("MILLRACE_TOPIC"), 0);
    private static final long end = Long.parseLong(System.getenv("MILLRACE_END"));
    private static volatile boolean stopping;
    private static KafkaConsumer<byte[], byte[]> consumer;

    private static void login(Properties p) throws IOException {
        String mechanism = System.getenv("MILLRACE_MECHANISM");
        if (mechanism == null || mechanism.isEmpty()) return;
        String module = mechanism.equals("PLAIN") ? "plain.PlainLoginModule" : "scram.ScramLoginModule";
        File jaas = File.createTempFile("millrace", ".jaas"); /* 0.10.1 and older take it only from a file */
        jaas.deleteOnExit();
        try (FileWriter w = new FileWriter(jaas)) {
            w.write("KafkaClient { org.apache.kafka.common.security." + module + " required username=\""
                    + System.getenv("MILLRACE_USER") + "\" password=\"" + System.getenv("MILLRACE_PASSWORD") + "\"; };");
        }
        System.setProperty("java.security.auth.login.config", jaas.getPath());
        p.put("sasl.mechanism", mechanism);
        String trust = System.getenv("MILLRACE_TRUST"); /* a key store with the authority: PEM files came with 2.7 */
        boolean isPlain = trust == null || trust.isEmpty();
        p.put("security.protocol", isPlain ? "SASL_PLAINTEXT" : "SASL_SSL");
        if (isPlain) return;
        p.put("ssl.truststore.type", "PKCS12");
        p.put("ssl.truststore.location", trust);
        p.put("ssl.truststore.password", "changeit");
    }

    @SuppressWarnings("unchecked")
    private static ConsumerRecords<byte[], byte[]> poll(int ms) throws Exception {
        try {
            Class<?> duration = Class.forName("java.time.Duration");
            return (ConsumerRecords<byte[], byte[]>) KafkaConsumer.class.getMethod("poll", duration)
                .invoke(consumer, java.time.Duration.ofMillis(ms));
        } catch (NoSuchMethodException before20) {
            return (ConsumerRecords<byte[], byte[]>) KafkaConsumer.class.getMethod("poll", long.class)
                .invoke(consumer, (long) ms);
        }
    }

    @SuppressWarnings("unchecked")
    private static long committed() throws Exception {
        OffsetAndMetadata found;
        try {
            found = ((Map<TopicPartition, OffsetAndMetadata>) KafkaConsumer.class.getMethod("committed", Set.class)
                .invoke(consumer, Collections.singleton(partition))).get(partition);
        } catch (NoSuchMethodException before24) {
            found = (OffsetAndMetadata) KafkaConsumer.class.getMethod("committed", TopicPartition.class)
                .invoke(consumer, partition);
        }
        return found.offset();
    }

    private static void readToEnd() throws Exception {
        boolean done = false;
        while (!done) {
            for (ConsumerRecord<byte[], byte[]> r : poll(200)) {
                if (r.offset() >= end) break;
                CRC32 crc = new CRC32();
                crc.update(r.value());
                System.out.println("record " + r.offset() + " " + r.timestamp() + " "
                                   + String.format("%08x", crc.getValue()));
                done = r.offset() == end - 1;
            }
            System.out.flush();
        }
    }

    private static void commit(long offset) throws Exception {
        consumer.commitSync(Collections.singletonMap(partition, new OffsetAndMetadata(offset, "")));
        System.out.println("committed " + committed());
        System.out.flush();
    }

    public static void main(String[] arguments) throws Exception {
        Properties p = new Properties();
        p.put("bootstrap.servers", System.getenv("MILLRACE_BOOTSTRAP"));
        p.put("group.id", System.getenv("MILLRACE_GROUP"));
        p.put("auto.offset.reset", "earliest");
        p.put("enable.auto.commit", "false");
        String protocol = System.getenv("MILLRACE_GROUP_PROTOCOL");
        if (protocol == null) { /* the new one has the server's times */
            p.put("session.timeout.ms", "6000");
            p.put("heartbeat.interval.ms", "500");
        } else {
            p.put("group.protocol", protocol);
        }
        p.put("max.partition.fetch.bytes", "16384");
        for (int i = 0; i + 1 < arguments.length; i += 2) p.put(arguments[i], arguments[i + 1]);
        login(p);
        consumer = new KafkaConsumer<>(p, new ByteArrayDeserializer(), new ByteArrayDeserializer());
        consumer.subscribe(Collections.singletonList(partition.topic()));
        Thread input = new Thread(() -> {
            try {
                while (System.in.read() >= 0) {}
            } catch (IOException e) { /* ended as well */ }
            stopping = true;
        });
        input.setDaemon(true);
        input.start();
        readToEnd();
        commit(Long.parseLong(System.getenv("MILLRACE_COMMIT")));
        String time = System.getenv("MILLRACE_TIME_MS");
        if (time != null && !time.isEmpty()) {
            Map<TopicPartition, OffsetAndTimestamp> found =
                consumer.offsetsForTimes(Collections.singletonMap(partition, Long.parseLong(time)));
            System.out.println("time " + found.get(partition).offset());
            consumer.seek(partition, found.get(partition).offset());
            readToEnd();
            commit(end);
        }
        while (!stopping) poll(100);
        consumer.close();
        System.out.println("ended");
    }
}
