import java.io.IOException;
import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.concurrent.CyclicBarrier;
import java.util.zip.CRC32C;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * Genuine consumers for bench/fanout.py: Kafka's own Java client, as it comes.  What it does, its arguments and what it
 * prints are those of bench/fanout_rdkafka.c.
 */
public final class FanoutConsumer implements Runnable {
    private static final Duration WAIT = Duration.ofMillis(100);
    private static final long PATIENCE_NS = 60_000_000_000L;
    private static CyclicBarrier pass;
    private static volatile boolean isOver;

    private final KafkaConsumer<byte[], byte[]> consumer;
    private final TopicPartition partition;
    private final long end;
    private final long valueBytes;
    private final long crcSum;

    private FanoutConsumer(String bootstrap, String topic, String group, long end, long valueBytes, long crcSum) {
        this.end = end;
        this.valueBytes = valueBytes;
        this.crcSum = crcSum;
        partition = new TopicPartition(topic, 0);
        consumer = new KafkaConsumer<>(
            Map.of("bootstrap.servers", bootstrap, "group.id", group, "auto.offset.reset", "earliest",
                "fetch.max.wait.ms", "5"), // what waits at the end holds up the next pass
            new ByteArrayDeserializer(), new ByteArrayDeserializer());
        consumer.subscribe(List.of(topic));
    }

    private static void fail(String why) {
        System.err.println("FanoutConsumer: " + why);
        Runtime.getRuntime().halt(1);
    }

    private static void await() {
        try {
            pass.await();
        } catch (Exception e) {
            fail("waiting for the others: " + e);
        }
    }

    private void readOnce() {
        long next = 0;
        long bytes = 0;
        long crcs = 0;
        long until = System.nanoTime() + PATIENCE_NS;
        CRC32C crc = new CRC32C();
        while (next < end) {
            for (ConsumerRecord<byte[], byte[]> record : consumer.poll(WAIT)) {
                if (record.offset() != next++) {
                    fail("offset " + record.offset() + " came instead of " + (next - 1));
                }
                crc.reset();
                crc.update(record.value());
                bytes += record.value().length;
                crcs += crc.getValue();
            }
            if (System.nanoTime() > until) {
                fail("not all records came within a minute");
            }
        }
        if (next != end || bytes != valueBytes || crcs != crcSum) {
            fail(next + " records of " + bytes + " bytes, CRCs' sum " + crcs + ", instead of " + end + " of " + valueBytes
                + ", " + crcSum);
        }
    }

    @Override
    public void run() {
        try {
            readOnce(); // from where a new group begins
            for (;;) {
                await(); // all are there
                await(); // it is decided
                if (isOver) {
                    consumer.close();
                    return;
                }
                consumer.seek(partition, 0);
                readOnce();
            }
        } catch (RuntimeException e) {
            fail(e.toString());
        }
    }

    public static void main(String[] words) throws IOException, InterruptedException {
        int groups = Integer.parseInt(words[3]);
        long end = Long.parseLong(words[4]);
        long valueBytes = Long.parseLong(words[5]);
        double warmNs = Double.parseDouble(words[7]) * 1e9;
        double countedNs = Double.parseDouble(words[8]) * 1e9;
        pass = new CyclicBarrier(groups + 1);
        for (int i = 0; i < groups; i++) {
            new Thread(new FanoutConsumer(words[0], words[1], words[2] + i, end, valueBytes, Long.parseLong(words[6])))
                .start();
        }
        await();
        long ready = System.nanoTime();
        long begun = 0;
        long passes = 0;
        while (!isOver) {
            if (begun == 0 && System.nanoTime() - ready >= warmNs) {
                System.out.println("begin");
                begun = System.nanoTime();
            }
            await(); // they read
            await(); // all have read
            if (begun != 0) {
                passes++;
                isOver = System.nanoTime() - begun >= countedNs;
            }
        }
        System.out.printf(java.util.Locale.ROOT, "{\"seconds\": %.3f, \"passes\": %d, \"gb\": %.6f}%n",
            (System.nanoTime() - begun) / 1e9, passes, passes * groups * valueBytes / 1e9);
        await();
    }
}
