import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.time.Duration;
import java.util.Collections;
import java.util.Properties;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.ConsumerRecords;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.consumer.SubscriptionPattern;
import org.apache.kafka.common.GroupState;
import org.apache.kafka.common.GroupType;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.InvalidRegularExpression;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** Kafka's own consumer with group.protocol=consumer (KIP-848): a member is killed and the one that stands by takes
 *  over, comes back later, subscribes by pattern, is static; the admin client sees the group.
 *  usage: ConsumerCheck BOOTSTRAP TOPIC RECORDS; prints "ok" and ends with 0, or says what differs.
 *         ConsumerCheck BOOTSTRAP TOPIC RECORDS hold: a member that reads all, commits half and stays */
public final class ConsumerCheck {
    private static String bootstrap;
    private static TopicPartition partition;

    private static void check(boolean holds, String what) {
        if (!holds) throw new AssertionError(what);
    }

    private static KafkaConsumer<byte[], byte[]> consumer(String group, String instance) {
        Properties p = new Properties();
        p.put("bootstrap.servers", bootstrap);
        p.put("group.id", group);
        p.put("group.protocol", "consumer");
        p.put("auto.offset.reset", "earliest");
        p.put("enable.auto.commit", "false");
        if (instance != null) p.put("group.instance.id", instance);
        return new KafkaConsumer<>(p, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    private static KafkaConsumer<byte[], byte[]> subscribed(String group, String instance) {
        KafkaConsumer<byte[], byte[]> c = consumer(group, instance);
        c.subscribe(Collections.singletonList(partition.topic()));
        return c;
    }

    /** Polls until `next` reaches `end`; every offset must follow the one before. */
    private static void read(KafkaConsumer<byte[], byte[]> c, long next, long end) {
        long until = System.currentTimeMillis() + 60000;
        while (next < end) {
            check(System.currentTimeMillis() < until, "no record " + next);
            ConsumerRecords<byte[], byte[]> records = c.poll(Duration.ofMillis(200));
            for (ConsumerRecord<byte[], byte[]> r : records) {
                check(r.offset() == next, "offset " + r.offset() + " where " + next + " belongs");
                next++;
            }
        }
    }

    private static void commit(KafkaConsumer<byte[], byte[]> c, long offset, String metadata) {
        c.commitSync(Collections.singletonMap(partition, new OffsetAndMetadata(offset, metadata)));
        OffsetAndMetadata now = c.committed(Collections.singleton(partition)).get(partition);
        check(now.offset() == offset && now.metadata().equals(metadata), "committed " + now);
    }

    private static void hold(long count) {
        KafkaConsumer<byte[], byte[]> c = subscribed("new", null);
        read(c, 0, count);
        commit(c, count / 2, "half");
        System.out.println("holds");
        while (true) c.poll(Duration.ofMillis(200));
    }

    private static void killed(String[] arguments, long count) throws Exception {
        Process other = new ProcessBuilder("java", "-cp", System.getProperty("java.class.path"), "ConsumerCheck",
                                           arguments[0], arguments[1], arguments[2], "hold")
            .redirectError(ProcessBuilder.Redirect.INHERIT).start();
        BufferedReader out = new BufferedReader(new InputStreamReader(other.getInputStream()));
        check("holds".equals(out.readLine()), "the first member does not read");
        KafkaConsumer<byte[], byte[]> standby = subscribed("new", null);
        for (int i = 0; i < 30; i++) {
            check(standby.poll(Duration.ofMillis(100)).isEmpty(), "a second member reads");
            check(standby.assignment().isEmpty(), "a second member owns the partition");
        }
        other.destroyForcibly().waitFor();
        read(standby, count / 2, count);
        commit(standby, count, "all");
        described();
        standby.close();
        KafkaConsumer<byte[], byte[]> again = subscribed("new", null);
        while (again.assignment().isEmpty()) check(again.poll(Duration.ofMillis(100)).isEmpty(), "a record is read twice");
        check(again.position(partition) == count, "it resumes at " + again.position(partition));
        again.seek(partition, 3);
        read(again, 3, count);
        again.close();
    }

    private static void described() throws Exception {
        Properties p = new Properties();
        p.put("bootstrap.servers", bootstrap);
        try (Admin admin = Admin.create(p)) {
            ConsumerGroupDescription d =
                admin.describeConsumerGroups(Collections.singleton("new")).describedGroups().get("new").get();
            check(d.type() == GroupType.CONSUMER && d.groupState() == GroupState.STABLE, "described as " + d);
            check(d.members().size() == 1 && d.members().iterator().next().assignment().topicPartitions()
                .equals(Collections.singleton(partition)), "members " + d.members());
        }
    }

    private static void byPattern(long count) {
        String topic = partition.topic();
        KafkaConsumer<byte[], byte[]> c = consumer("new-pattern", null);
        c.subscribe(new SubscriptionPattern(topic.substring(0, 2) + ".*[" + topic.substring(topic.length() - 1) + "]"));
        read(c, 0, count);
        c.close();
        KafkaConsumer<byte[], byte[]> wrong = consumer("new-pattern", null);
        wrong.subscribe(new SubscriptionPattern("("));
        try {
            for (int i = 0; i < 100; i++) wrong.poll(Duration.ofMillis(100));
            check(false, "a pattern that is none was taken");
        } catch (InvalidRegularExpression e) {
            check(e.getMessage().contains("regular expression"), e.getMessage());
        }
        wrong.close();
    }

    private static void staticMember(long count) {
        KafkaConsumer<byte[], byte[]> first = subscribed("new-static", "s");
        read(first, 0, count);
        commit(first, 5, "");
        first.close(); /* it leaves for a while */
        long then = System.currentTimeMillis();
        KafkaConsumer<byte[], byte[]> again = subscribed("new-static", "s");
        read(again, 5, count);
        check(System.currentTimeMillis() - then < 8000, "it waited for its own session to end");
        check(again.groupMetadata().generationId() == 1, "epoch " + again.groupMetadata().generationId());
        again.close();
    }

    public static void main(String[] arguments) throws Exception {
        bootstrap = arguments[0];
        partition = new TopicPartition(arguments[1], 0);
        long count = Long.parseLong(arguments[2]);
        if (arguments.length > 3) hold(count);
        killed(arguments, count);
        byPattern(count);
        staticMember(count);
        System.out.println("ok");
    }
}
