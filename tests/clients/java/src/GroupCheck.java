import java.time.Duration;
import java.util.Collections;
import java.util.HashMap;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** Kafka's own consumer in a group: reads all, commits, hands over, seeks, comes back as a static member.
 *  usage: GroupCheck BOOTSTRAP TOPIC RECORDS; prints "ok" and ends with 0, or says what differs. */
public final class GroupCheck {
    private static String bootstrap;
    private static TopicPartition partition;
    private static final String METADATA = "caf\u00e9 \ud83e\udd86 \t end";

    private static void check(boolean holds, String what) {
        if (!holds) throw new AssertionError(what);
    }

    private static KafkaConsumer<byte[], byte[]> consumer(String group, String instance) {
        Properties p = new Properties();
        p.put("bootstrap.servers", bootstrap);
        p.put("group.id", group);
        p.put("auto.offset.reset", "earliest");
        p.put("enable.auto.commit", "false");
        p.put("session.timeout.ms", "20000");
        p.put("heartbeat.interval.ms", "300");
        if (instance != null) p.put("group.instance.id", instance);
        KafkaConsumer<byte[], byte[]> c =
            new KafkaConsumer<>(p, new ByteArrayDeserializer(), new ByteArrayDeserializer());
        c.subscribe(Collections.singletonList(partition.topic()));
        return c;
    }

    /** Polls until `next` reaches `end`; every offset must follow the one before. */
    private static long read(KafkaConsumer<byte[], byte[]> c, long next, long end) {
        long until = System.currentTimeMillis() + 30000;
        while (next < end) {
            check(System.currentTimeMillis() < until, "no record " + next);
            ConsumerRecords<byte[], byte[]> records = c.poll(Duration.ofMillis(200));
            for (ConsumerRecord<byte[], byte[]> r : records) {
                check(r.offset() == next, "offset " + r.offset() + " where " + next + " belongs");
                next++;
            }
        }
        return next;
    }

    private static OffsetAndMetadata committed(KafkaConsumer<byte[], byte[]> c) {
        return c.committed(Collections.singleton(partition)).get(partition);
    }

    private static void commit(KafkaConsumer<byte[], byte[]> c, long offset) {
        Map<TopicPartition, OffsetAndMetadata> m = new HashMap<>();
        m.put(partition, new OffsetAndMetadata(offset, METADATA));
        c.commitSync(m);
        check(committed(c).offset() == offset, "committed " + committed(c));
        check(committed(c).metadata().equals(METADATA), "metadata " + committed(c).metadata());
    }

    private static void handOver(long count) {
        KafkaConsumer<byte[], byte[]> a = consumer("java", null);
        read(a, 0, count);
        commit(a, count / 2);
        KafkaConsumer<byte[], byte[]> b = consumer("java", null);
        long until = System.currentTimeMillis() + 30000;
        while (b.groupMetadata().generationId() < 2 || a.groupMetadata().generationId() < 2
               || a.assignment().size() + b.assignment().size() != 1) {
            check(System.currentTimeMillis() < until, "the two never share a generation");
            a.poll(Duration.ofMillis(100));
            b.poll(Duration.ofMillis(100));
        }
        KafkaConsumer<byte[], byte[]> owner = a.assignment().isEmpty() ? b : a;
        KafkaConsumer<byte[], byte[]> standby = owner == a ? b : a;
        owner.close();
        read(standby, count / 2, count);
        standby.close();
    }

    private static void seek(long count) {
        KafkaConsumer<byte[], byte[]> c = consumer("java-seek", null);
        read(c, 0, count);
        check(c.beginningOffsets(Collections.singleton(partition)).get(partition) == 0, "beginning");
        check(c.endOffsets(Collections.singleton(partition)).get(partition) == count, "end");
        OffsetAndTimestamp found = c.offsetsForTimes(Collections.singletonMap(partition, 1600000000000L))
            .get(partition);
        check(found != null && found.offset() == 0, "first by time: " + found);
        check(c.offsetsForTimes(Collections.singletonMap(partition, 4102444800000L)).get(partition) == null, "future");
        c.seek(partition, 3);
        read(c, 3, count);
        c.close();
    }

    private static void staticMember(long count) throws Exception {
        KafkaConsumer<byte[], byte[]> first = consumer("java-static", "s");
        read(first, 0, count);
        commit(first, 5);
        first.close(); /* a static member does not leave */
        long then = System.currentTimeMillis();
        KafkaConsumer<byte[], byte[]> again = consumer("java-static", "s");
        read(again, 5, count);
        check(System.currentTimeMillis() - then < 15000, "it waited for its own session to end");
        check(again.groupMetadata().generationId() == 1, "generation " + again.groupMetadata().generationId());
        again.close();
    }

    public static void main(String[] arguments) throws Exception {
        bootstrap = arguments[0];
        partition = new TopicPartition(arguments[1], 0);
        long count = Long.parseLong(arguments[2]);
        handOver(count);
        seek(count);
        staticMember(count);
        System.out.println("ok");
    }
}
