import io.debezium.engine.ChangeEvent;
import io.debezium.engine.DebeziumEngine;
import io.debezium.engine.format.Json;
import java.lang.management.ManagementFactory;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.StringSerializer;
import org.apache.kafka.connect.runtime.WorkerConfig;
import org.apache.kafka.connect.storage.MemoryOffsetBackingStore;

/**
 * Reads a binlog from its start by Debezium's embedded engine and sends each row change as JSON to one topic of Kafka.
 *
 * <p>usage: DebeziumToKafka HOST PORT USER PASSWORD FILE GTID_SET BOOTSTRAP WARM_TOPIC WARM_CHANGES TOPIC CHANGES
 *
 * <p>First WARM_CHANGES go to WARM_TOPIC, so that the machine's compiler has seen it all; then the engine starts once more
 * and CHANGES go to TOPIC.  Of that it prints `begin` at the first row change, so without connecting, and `end` when Kafka
 * has acknowledged the last, each with the CPU seconds of the process so far.
 *
 * <p>-Dpoll.interval.ms and -Dlinger.ms set the engine's and the producer's: without them for the most changes a second;
 * less of both is for the least delay.
 */
public final class DebeziumToKafka {
    static final String SERVER = "bench";
    static String binlogFile;
    static String gtidSet;

    /** Where the engine begins: behind the first transactions, which GTID_SET names (it takes no empty set). */
    public static final class StartOfFile extends MemoryOffsetBackingStore {
        @Override
        public void configure(WorkerConfig config) {
            super.configure(config);
            data.put(bytes("[\"" + SERVER + "\",{\"server\":\"" + SERVER + "\"}]"),
                    bytes("{\"file\":\"" + binlogFile + "\",\"pos\":4,\"gtids\":\"" + gtidSet + "\"}"));
        }

        @Override
        public Set<Map<String, Object>> connectorPartitions(String connector) {
            return Set.of();
        }
    }

    static ByteBuffer bytes(String text) {
        return ByteBuffer.wrap(text.getBytes(StandardCharsets.UTF_8));
    }

    static void say(String what) {
        long cpu = ((com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean())
                .getProcessCpuTime();
        System.out.printf("{\"%s\":%d,\"cpu_seconds\":%.3f}%n", what, System.nanoTime(), cpu / 1e9);
        System.out.flush();
    }

    static Properties engineConfig(String[] args) {
        Properties p = new Properties();
        p.setProperty("name", SERVER);
        p.setProperty("connector.class", "io.debezium.connector.mysql.MySqlConnector");
        p.setProperty("topic.prefix", SERVER);
        p.setProperty("database.hostname", args[0]);
        p.setProperty("database.port", args[1]);
        p.setProperty("database.user", args[2]);
        p.setProperty("database.password", args[3]);
        p.setProperty("database.server.id", "400000006");
        p.setProperty("database.include.list", "shop");
        p.setProperty("database.ssl.mode", "disabled");
        p.setProperty("driver.allowPublicKeyRetrieval", "true");
        p.setProperty("offset.storage", StartOfFile.class.getName());
        p.setProperty("offset.flush.interval.ms", "60000");
        p.setProperty("schema.history.internal", "io.debezium.relational.history.MemorySchemaHistory");
        p.setProperty("snapshot.mode", "recovery"); // the definitions of now, and then the binlog from the offset
        p.setProperty("snapshot.locking.mode", "none");
        p.setProperty("include.schema.changes", "false");
        p.setProperty("tombstones.on.delete", "false");
        p.setProperty("converter.schemas.enable", "false"); // each record would carry its schema
        p.setProperty("max.batch.size", "8192");
        p.setProperty("max.queue.size", "32768");
        p.setProperty("poll.interval.ms", System.getProperty("poll.interval.ms", "10"));
        p.setProperty("errors.max.retries", "0");
        p.setProperty("task.management.timeout.ms", "20000"); // now and then it does not stop, and waits for minutes
        return p;
    }

    static KafkaProducer<String, String> producer(String bootstrap) {
        Properties p = new Properties();
        p.setProperty("bootstrap.servers", bootstrap);
        p.setProperty("acks", "all");
        p.setProperty("linger.ms", System.getProperty("linger.ms", "20"));
        p.setProperty("batch.size", Integer.toString(256 << 10));
        p.setProperty("buffer.memory", Integer.toString(128 << 20));
        return new KafkaProducer<>(p, new StringSerializer(), new StringSerializer());
    }

    /** Its reader of the binlog may wait for room in a queue that nobody empties any more; close alone would wait for 90 s. */
    static void close(DebeziumEngine<?> engine) throws InterruptedException {
        Thread closer = new Thread(() -> {
            try {
                engine.close();
            } catch (java.io.IOException fault) {
                System.err.println(fault);
            }
        }, "closer");
        closer.start();
        for (closer.join(1000); closer.isAlive(); closer.join(1000)) {
            for (Thread thread : Thread.getAllStackTraces().keySet()) {
                if (thread.getName().contains("binlog-client") || thread.getName().startsWith("blc-")) {
                    thread.interrupt();
                }
            }
        }
    }

    static void run(String[] args, String topic, long limit, boolean isMeasured) throws Exception {
        CountDownLatch done = new CountDownLatch(1);
        AtomicReference<Throwable> fault = new AtomicReference<>();
        long[] sent = {0};
        KafkaProducer<String, String> producer = producer(args[6]);
        producer.partitionsFor(topic); // the topic is made here, and not in the time
        DebeziumEngine<ChangeEvent<String, String>> engine = DebeziumEngine
                .create(Json.class, Json.class, Json.class,
                        "io.debezium.embedded.async.ConvertingAsyncEngineBuilderFactory")
                .using(engineConfig(args))
                .using((success, message, error) -> {
                    if (!success) {
                        fault.set(error != null ? error : new IllegalStateException(message));
                    }
                    done.countDown();
                })
                .notifying((List<ChangeEvent<String, String>> events,
                        DebeziumEngine.RecordCommitter<ChangeEvent<String, String>> committer) -> {
                    if (sent[0] == 0 && isMeasured) {
                        say("begin");
                    }
                    for (ChangeEvent<String, String> event : events) {
                        if (sent[0] < limit) {
                            producer.send(new ProducerRecord<>(topic, 0, event.key(), event.value()), (metadata, error) -> {
                                if (error != null) {
                                    fault.compareAndSet(null, error);
                                }
                            });
                            if (++sent[0] == limit) {
                                producer.flush();
                                if (isMeasured) {
                                    say("end");
                                }
                                done.countDown();
                            }
                        }
                        committer.markProcessed(event);
                    }
                    committer.markBatchFinished();
                }).build();
        Thread thread = new Thread(engine, "engine");
        thread.start();
        done.await();
        close(engine);
        thread.join();
        producer.close();
        if (fault.get() != null && sent[0] < limit) {
            throw new IllegalStateException("after " + sent[0] + " row changes", fault.get());
        }
    }

    public static void main(String[] args) throws Exception {
        binlogFile = args[4];
        gtidSet = args[5];
        run(args, args[7], Long.parseLong(args[8]), false);
        run(args, args[9], Long.parseLong(args[10]), true);
        System.exit(0);
    }
}
