package main

import (
	"context"
	"errors"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"
)

func kafkaGoLogin() sasl.Mechanism {
	if order.mechanism == "PLAIN" {
		return plain.Mechanism{Username: order.user, Password: order.password}
	}
	hash := scram.SHA256
	if order.mechanism == "SCRAM-SHA-512" {
		hash = scram.SHA512
	}
	m, err := scram.Mechanism(hash, order.user, order.password)
	must(err)
	return m
}

func kafkaGoDialer() *kafka.Dialer {
	d := &kafka.Dialer{Timeout: 10 * time.Second, ClientID: "kafka-go", TLS: tlsConfig()}
	if order.mechanism != "" {
		d.SASLMechanism = kafkaGoLogin()
	}
	return d
}

func kafkaGoClient() *kafka.Client {
	t := &kafka.Transport{TLS: tlsConfig()}
	if order.mechanism != "" {
		t.SASL = kafkaGoLogin()
	}
	return &kafka.Client{Addr: kafka.TCP(order.bootstrap), Transport: t, Timeout: 20 * time.Second}
}

func kafkaGoReader() *kafka.Reader {
	return kafka.NewReader(kafka.ReaderConfig{Brokers: []string{order.bootstrap}, GroupID: order.group,
		Topic: order.topic, Dialer: kafkaGoDialer(), SessionTimeout: 6 * time.Second,
		HeartbeatInterval: 500 * time.Millisecond, StartOffset: kafka.FirstOffset, MaxBytes: 16384, MinBytes: 1,
		MaxWait: 500 * time.Millisecond})
}

func kafkaGoReadToEnd(r *kafka.Reader) kafka.Message {
	for {
		m, err := r.FetchMessage(context.Background())
		must(err)
		if sayRecord(m.Offset, m.Time.UnixMilli(), m.Value) {
			return m
		}
	}
}

func kafkaGoCommit(r *kafka.Reader, m kafka.Message, offset int64) {
	m.Offset = offset - 1 // it commits the offset behind a message
	must(r.CommitMessages(context.Background(), m))
	found, err := kafkaGoClient().OffsetFetch(context.Background(),
		&kafka.OffsetFetchRequest{GroupID: order.group, Topics: map[string][]int{order.topic: {0}}})
	must(err)
	must(found.Error)
	say("committed", found.Topics[order.topic][0].CommittedOffset)
}

// A reader in a group cannot seek: it leaves, the offset of the time is committed, and it comes back.
func kafkaGoGoToTime(r *kafka.Reader) *kafka.Reader {
	c := kafkaGoClient()
	found, err := c.ListOffsets(context.Background(), &kafka.ListOffsetsRequest{Topics: map[string][]kafka.OffsetRequest{
		order.topic: {kafka.TimeOffsetOf(0, time.UnixMilli(order.timeMs))}}})
	must(err)
	must(found.Topics[order.topic][0].Error)
	for offset := range found.Topics[order.topic][0].Offsets {
		say("time", offset)
		must(r.Close())
		done, err := c.OffsetCommit(context.Background(), &kafka.OffsetCommitRequest{GroupID: order.group,
			GenerationID: -1, Topics: map[string][]kafka.OffsetCommit{order.topic: {{Partition: 0, Offset: offset}}}})
		must(err)
		must(done.Topics[order.topic][0].Error)
		return kafkaGoReader()
	}
	must(errors.New("no offset for the time"))
	return nil
}

func driveKafkaGo(ended <-chan struct{}) {
	r := kafkaGoReader()
	m := kafkaGoReadToEnd(r)
	kafkaGoCommit(r, m, order.commit)
	if order.timeMs != 0 {
		r = kafkaGoGoToTime(r)
		kafkaGoCommit(r, kafkaGoReadToEnd(r), order.end)
	}
	<-ended
	must(r.Close())
}
