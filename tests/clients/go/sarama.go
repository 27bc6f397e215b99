package main

import (
	"context"
	"log"
	"os"

	"github.com/IBM/sarama"
	"github.com/xdg-go/scram"
)

// sarama leaves SCRAM itself to the application.
type saramaScram struct {
	hash         scram.HashGeneratorFcn
	conversation *scram.ClientConversation
}

func (s *saramaScram) Begin(user, password, authorization string) error {
	client, err := s.hash.NewClient(user, password, authorization)
	if err == nil {
		s.conversation = client.NewConversation()
	}
	return err
}

func (s *saramaScram) Step(challenge string) (string, error) { return s.conversation.Step(challenge) }
func (s *saramaScram) Done() bool                            { return s.conversation.Done() }

// A consumer of sarama's group: its session ends to go back to the offset of a time.
type saramaDriver struct {
	client sarama.Client
	ended  <-chan struct{}
	stage  int // 0: reads to the end; 1: reads again from the time; 2: waits for the end of the input
}

func (d *saramaDriver) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (d *saramaDriver) Cleanup(sarama.ConsumerGroupSession) error { return nil }

func (d *saramaDriver) committed() int64 {
	admin, err := sarama.NewClusterAdminFromClient(d.client) // closing it would close the client
	must(err)
	answer, err := admin.ListConsumerGroupOffsets(order.group, map[string][]int32{order.topic: {0}})
	must(err)
	return answer.GetBlock(order.topic, 0).Offset
}

// Commits an offset below the one that was read to; sarama only goes back when it is told to.
func (d *saramaDriver) commit(session sarama.ConsumerGroupSession, offset int64) {
	session.MarkOffset(order.topic, 0, order.end, "")
	session.ResetOffset(order.topic, 0, offset, "")
	session.Commit()
}

func (d *saramaDriver) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for {
		select {
		case m, open := <-claim.Messages():
			if !open {
				return nil
			}
			if d.stage == 2 || !sayRecord(m.Offset, m.Timestamp.UnixMilli(), m.Value) {
				continue
			}
			if d.stage == 0 && order.timeMs != 0 {
				d.commit(session, order.commit)
				say("committed", d.committed())
				found, err := d.client.GetOffset(order.topic, 0, order.timeMs)
				must(err)
				say("time", found)
				d.commit(session, found)
				d.stage = 1
				return nil // the session ends, the next one begins at the commit
			}
			offset := order.commit
			if d.stage == 1 {
				offset = order.end
			}
			d.commit(session, offset)
			say("committed", d.committed())
			d.stage = 2
		case <-d.ended:
			return nil
		case <-session.Context().Done():
			return nil
		}
	}
}

func saramaConfig() *sarama.Config {
	sarama.Logger = log.New(os.Stderr, "", 0)
	c := sarama.NewConfig()
	c.Version = sarama.V2_1_0_0
	if v := os.Getenv("MILLRACE_SARAMA_VERSION"); v != "" {
		version, err := sarama.ParseKafkaVersion(v)
		must(err)
		c.Version = version
	}
	c.Consumer.Offsets.Initial = sarama.OffsetOldest
	c.Consumer.Offsets.AutoCommit.Enable = false
	c.Consumer.Group.Session.Timeout = 6e9
	c.Consumer.Group.Heartbeat.Interval = 5e8
	c.Consumer.Fetch.Default = 16384
	if !c.Version.IsAtLeast(sarama.V1_0_0_0) { // as it spoke then: blindly, and tokens outside of requests
		c.ApiVersionsRequest, c.Net.SASL.Version = false, sarama.SASLHandshakeV0
	}
	if order.mechanism != "" {
		c.Net.SASL.Enable = true
		c.Net.SASL.Mechanism = sarama.SASLMechanism(order.mechanism)
		c.Net.SASL.User, c.Net.SASL.Password = order.user, order.password
		c.Net.SASL.SCRAMClientGeneratorFunc = func() sarama.SCRAMClient {
			if order.mechanism == sarama.SASLTypeSCRAMSHA256 {
				return &saramaScram{hash: scram.SHA256}
			}
			return &saramaScram{hash: scram.SHA512}
		}
	}
	if config := tlsConfig(); config != nil {
		c.Net.TLS.Enable, c.Net.TLS.Config = true, config
	}
	return c
}

func driveSarama(ended <-chan struct{}) {
	client, err := sarama.NewClient([]string{order.bootstrap}, saramaConfig())
	must(err)
	group, err := sarama.NewConsumerGroupFromClient(order.group, client)
	must(err)
	d := &saramaDriver{client: client, ended: ended}
	for open := true; open; {
		must(group.Consume(context.Background(), []string{order.topic}, d))
		select {
		case <-ended:
			open = false
		default:
		}
	}
	must(group.Close())
}

// A consumer of one partition without a group's members, which keeps its place by an offset manager: all that sarama has
// below 0.10.2.
func driveSaramaPartition(ended <-chan struct{}) {
	client, err := sarama.NewClient([]string{order.bootstrap}, saramaConfig())
	must(err)
	manager, err := sarama.NewOffsetManagerFromClient(order.group, client)
	must(err)
	place, err := manager.ManagePartition(order.topic, 0)
	must(err)
	consumer, err := sarama.NewConsumerFromClient(client)
	must(err)
	readFrom := func(offset int64) {
		partition, err := consumer.ConsumePartition(order.topic, 0, offset)
		must(err)
		for m := range partition.Messages() {
			if sayRecord(m.Offset, m.Timestamp.UnixMilli(), m.Value) {
				break
			}
		}
		must(partition.Close())
	}
	commit := func(offset int64) {
		place.MarkOffset(order.end, "")
		place.ResetOffset(offset, "")
		manager.Commit()
		other, err := sarama.NewOffsetManagerFromClient(order.group, client) // asks the server
		must(err)
		found, err := other.ManagePartition(order.topic, 0)
		must(err)
		next, _ := found.NextOffset()
		say("committed", next)
		found.AsyncClose() // Close would wait for a commit that comes by itself
		must(other.Close())
	}
	next, _ := place.NextOffset()
	readFrom(next)
	commit(order.commit)
	if order.timeMs != 0 {
		found, err := client.GetOffset(order.topic, 0, order.timeMs)
		must(err)
		say("time", found)
		readFrom(found)
		commit(order.end)
	}
	<-ended
	place.AsyncClose()
	must(manager.Close())
	must(client.Close())
}
