import java.util.Collections;
import java.util.Properties;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ConsumerGroupDescription;
import org.apache.kafka.clients.admin.ConsumerGroupListing;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.GroupIdNotFoundException;
import org.apache.kafka.common.errors.GroupNotEmptyException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/** Kafka's own admin client on groups: list, describe, move an idle group's checkpoint, delete.
 *  usage: AdminCheck BOOTSTRAP TOPIC RECORDS; prints "ok" and ends with 0, or says what differs. */
public final class AdminCheck {
    private static void check(boolean holds, String what) {
        if (!holds) throw new AssertionError(what);
    }

    private static KafkaConsumer<byte[], byte[]> consumer(String bootstrap, String topic) {
        Properties p = new Properties();
        p.put("bootstrap.servers", bootstrap);
        p.put("group.id", "admin-check");
        p.put("auto.offset.reset", "earliest");
        p.put("enable.auto.commit", "false");
        KafkaConsumer<byte[], byte[]> c =
            new KafkaConsumer<>(p, new ByteArrayDeserializer(), new ByteArrayDeserializer());
        c.subscribe(Collections.singletonList(topic));
        long until = System.currentTimeMillis() + 30000;
        while (c.assignment().isEmpty()) {
            check(System.currentTimeMillis() < until, "never assigned");
            c.poll(java.time.Duration.ofMillis(100));
        }
        return c;
    }

    private static void delete(Admin admin, Class<?> expected) throws Exception {
        try {
            admin.deleteConsumerGroups(Collections.singleton("admin-check")).all().get();
            check(expected == null, "deleted");
        } catch (ExecutionException e) {
            check(e.getCause().getClass() == expected, "delete: " + e.getCause());
        }
    }

    public static void main(String[] arguments) throws Exception {
        String bootstrap = arguments[0];
        TopicPartition partition = new TopicPartition(arguments[1], 0);
        long count = Long.parseLong(arguments[2]);
        Properties p = new Properties();
        p.put("bootstrap.servers", bootstrap);
        try (Admin admin = Admin.create(p)) {
            KafkaConsumer<byte[], byte[]> c = consumer(bootstrap, arguments[1]);
            ConsumerGroupDescription d = admin.describeConsumerGroups(Collections.singleton("admin-check"))
                .all().get().get("admin-check");
            check(d.state().toString().equals("Stable"), "state " + d.state());
            check(d.members().size() == 1, "members " + d.members());
            check(d.members().iterator().next().assignment().topicPartitions().contains(partition), "assignment " + d);
            boolean found = false;
            for (ConsumerGroupListing g : admin.listConsumerGroups().all().get())
                found |= g.groupId().equals("admin-check") && !g.isSimpleConsumerGroup();
            check(found, "not listed");
            delete(admin, GroupNotEmptyException.class);
            c.close();
            admin.alterConsumerGroupOffsets("admin-check",
                Collections.singletonMap(partition, new OffsetAndMetadata(count - 3, "moved"))).all().get();
            c = consumer(bootstrap, arguments[1]);
            check(c.position(partition) >= count - 3, "position " + c.position(partition));
            c.close();
            OffsetAndMetadata o = admin.listConsumerGroupOffsets("admin-check").partitionsToOffsetAndMetadata().get()
                .get(partition);
            check(o.offset() == count - 3 && o.metadata().equals("moved"), "offset " + o);
            admin.deleteConsumerGroupOffsets("admin-check", Collections.singleton(partition)).all().get();
            check(!admin.listConsumerGroupOffsets("admin-check").partitionsToOffsetAndMetadata().get()
                .containsKey(partition), "offset is still there");
            delete(admin, null);
            delete(admin, GroupIdNotFoundException.class);
        }
        System.out.println("ok");
    }
}
