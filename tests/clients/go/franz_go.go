package main

import (
	"context"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

func franzLogin() []kgo.Opt {
	auth := scram.Auth{User: order.user, Pass: order.password}
	switch order.mechanism {
	case "PLAIN":
		return []kgo.Opt{kgo.SASL(plain.Auth{User: order.user, Pass: order.password}.AsMechanism())}
	case "SCRAM-SHA-256":
		return []kgo.Opt{kgo.SASL(auth.AsSha256Mechanism())}
	case "SCRAM-SHA-512":
		return []kgo.Opt{kgo.SASL(auth.AsSha512Mechanism())}
	}
	return nil
}

func franzReadToEnd(c *kgo.Client) {
	for done := false; !done; {
		fetches := c.PollFetches(context.Background())
		for _, e := range fetches.Errors() {
			must(e.Err)
		}
		fetches.EachRecord(func(r *kgo.Record) {
			done = sayRecord(r.Offset, r.Timestamp.UnixMilli(), r.Value) || done
		})
	}
}

func franzOffsets(offset int64) map[string]map[int32]kgo.EpochOffset {
	return map[string]map[int32]kgo.EpochOffset{order.topic: {0: {Epoch: -1, Offset: offset}}}
}

func franzCommit(c *kgo.Client, offset int64) {
	c.CommitOffsetsSync(context.Background(), franzOffsets(offset),
		func(_ *kgo.Client, _ *kmsg.OffsetCommitRequest, answer *kmsg.OffsetCommitResponse, err error) {
			must(err)
			if code := answer.Topics[0].Partitions[0].ErrorCode; code != 0 {
				panic(code)
			}
		})
	say("committed", c.CommittedOffsets()[order.topic][0].Offset)
}

func franzTime(c *kgo.Client) int64 {
	request := kmsg.NewPtrListOffsetsRequest()
	topic := kmsg.NewListOffsetsRequestTopic()
	partition := kmsg.NewListOffsetsRequestTopicPartition()
	topic.Topic, partition.Timestamp = order.topic, order.timeMs
	topic.Partitions = append(topic.Partitions, partition)
	request.Topics = append(request.Topics, topic)
	answer, err := request.RequestWith(context.Background(), c)
	must(err)
	return answer.Topics[0].Partitions[0].Offset
}

func driveFranz(ended <-chan struct{}) {
	options := append(franzLogin(), kgo.SeedBrokers(order.bootstrap), kgo.ConsumerGroup(order.group),
		kgo.ConsumeTopics(order.topic), kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()), kgo.DisableAutoCommit(),
		kgo.SessionTimeout(6e9), kgo.HeartbeatInterval(5e8), kgo.FetchMaxPartitionBytes(16384))
	if config := tlsConfig(); config != nil {
		options = append(options, kgo.DialTLSConfig(config))
	}
	c, err := kgo.NewClient(options...)
	must(err)
	franzReadToEnd(c)
	franzCommit(c, order.commit)
	if order.timeMs != 0 {
		found := franzTime(c)
		say("time", found)
		c.SetOffsets(franzOffsets(found))
		franzReadToEnd(c)
		franzCommit(c, order.end)
	}
	<-ended
	c.Close()
}
