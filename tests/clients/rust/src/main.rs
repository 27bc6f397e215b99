//! The driver (tests/clients/README.md) of the Rust crate rdkafka, with the librdkafka that it brings.
use rdkafka::config::ClientConfig;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer};
use rdkafka::{Message, Offset, TopicPartitionList};
use std::io::Read;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::Arc;
use std::time::Duration;

const ANSWER: Duration = Duration::from_secs(20);

fn order(name: &str) -> String {
    std::env::var(format!("MILLRACE_{name}")).unwrap_or_default()
}

fn number(name: &str) -> i64 {
    order(name).parse().unwrap_or(0)
}

fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |c, _| if c & 1 == 1 { (c >> 1) ^ 0xedb88320 } else { c >> 1 })
    })
}

fn read_to_end(consumer: &BaseConsumer) {
    let end = number("END");
    loop {
        let message = match consumer.poll(Duration::from_millis(200)) {
            None => continue,
            Some(result) => result.expect("poll"),
        };
        if message.offset() < end {
            let time = message.timestamp().to_millis().unwrap_or(-1);
            println!("record {} {} {:08x}", message.offset(), time, crc32(message.payload().unwrap_or(&[])));
        }
        if message.offset() == end - 1 {
            return;
        }
    }
}

fn at(offset: Offset) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&order("TOPIC"), 0, offset).expect("offset");
    list
}

fn raw(list: &TopicPartitionList) -> i64 {
    list.elements()[0].offset().to_raw().unwrap_or(-1)
}

fn commit(consumer: &BaseConsumer, offset: i64) {
    consumer.commit(&at(Offset::Offset(offset)), CommitMode::Sync).expect("commit");
    let found = consumer.committed_offsets(at(Offset::Invalid), ANSWER).expect("committed");
    println!("committed {}", raw(&found));
}

fn main() {
    let mut config = ClientConfig::new();
    config
        .set("bootstrap.servers", order("BOOTSTRAP"))
        .set("group.id", order("GROUP"))
        .set("auto.offset.reset", "earliest")
        .set("enable.auto.commit", "false")
        .set("fetch.message.max.bytes", "16384")
        .set("check.crcs", "true");
    if !order("MECHANISM").is_empty() {
        config
            .set("security.protocol", if order("CA").is_empty() { "SASL_PLAINTEXT" } else { "SASL_SSL" })
            .set("sasl.mechanism", order("MECHANISM"))
            .set("sasl.username", order("USER"))
            .set("sasl.password", order("PASSWORD"));
    }
    if !order("CA").is_empty() {
        config.set("ssl.ca.location", order("CA"));
    }
    if order("GROUP_PROTOCOL").is_empty() {
        config.set("session.timeout.ms", "6000").set("heartbeat.interval.ms", "500");
    } else {
        config.set("group.protocol", order("GROUP_PROTOCOL")); // it has the server's times
    }
    let consumer: BaseConsumer = config.create().expect("consumer");
    consumer.subscribe(&[&order("TOPIC")]).expect("subscribe");
    let stopping = Arc::new(AtomicBool::new(false));
    let seen = stopping.clone();
    std::thread::spawn(move || {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        seen.store(true, Ordering::Relaxed);
    });
    read_to_end(&consumer);
    commit(&consumer, number("COMMIT"));
    if number("TIME_MS") != 0 {
        let found = consumer.offsets_for_times(at(Offset::Offset(number("TIME_MS"))), ANSWER).expect("time");
        println!("time {}", raw(&found));
        consumer.seek(&order("TOPIC"), 0, Offset::Offset(raw(&found)), ANSWER).expect("seek");
        read_to_end(&consumer);
        commit(&consumer, number("END"));
    }
    while !stopping.load(Ordering::Relaxed) {
        consumer.poll(Duration::from_millis(100));
    }
    drop(consumer);
    println!("ended");
}
