// Reads a millrace channel: prints each change, and moves the group's checkpoint behind what was handled.
//
// usage: MILLRACE_PASSWORD=... ./consumer [SECONDS]
//
//	goes on at the group's checkpoint, else at the oldest record; SECONDS (Unix time): goes back to that time first
//
// needs: go.mod and record.avsc beside this file; go mod tidy && go build -o consumer .
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"log"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/linkedin/goavro/v2"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/scram"
)

func env(name, otherwise string) string {
	if value, is := os.LookupEnv(name); is {
		return value
	}
	return otherwise
}

var (
	address  = env("MILLRACE_ADDRESS", "ADDRESS")
	topic    = env("MILLRACE_TOPIC", "TOPIC")
	group    = env("MILLRACE_GROUP", "GROUP")
	user     = env("MILLRACE_USER", "USER")         // <account>-<group>
	protocol = env("MILLRACE_PROTOCOL", "PROTOCOL") // SASL_PLAINTEXT, or by TLS SASL_SSL
)

// What goavro makes of the schema: unions are {type: value} or nil, records and maps are maps.
type record = map[string]any

func must(err error) {
	if err != nil {
		log.Fatal(err)
	}
}

func fraction(micros int32) string {
	if micros == 0 {
		return ""
	}
	return fmt.Sprintf(".%06d", max(micros, -micros))
}

// A date has no hour, a TIME no year, a YEAR nothing else; `millis` are microseconds; a TIME may be negative.
func datetime(value record) string {
	sign := ""
	present := func(separator string, names ...string) string {
		var texts []string
		for _, name := range names {
			if part, is := value[name].(record); is {
				n := part["int"].(int32)
				if n < 0 {
					sign = "-"
				}
				texts = append(texts, fmt.Sprintf("%02d", max(n, -n)))
			}
		}
		return strings.Join(texts, separator)
	}
	date, clock := present("-", "year", "month", "day"), present(":", "hour", "minute", "second")
	if micros, is := value["millis"].(record); is {
		if micros["int"].(int32) < 0 {
			sign = "-"
		}
		clock += fraction(micros["int"].(int32))
	}
	return strings.TrimSpace(date + " " + sign + clock)
}

// A column's value: nil, or one of the schema's types.
func text(item any) string {
	if item == nil {
		return "NULL"
	}
	for kind, value := range item.(record) {
		v, _ := value.(record)
		switch kind {
		case "Timestamp":
			return fmt.Sprint(v["timestamp"]) + fraction(v["millis"].(int32))
		case "DateTime":
			return datetime(v)
		case "TimestampWithTimeZone":
			return datetime(v["value"].(record)) + " " + v["timezone"].(string)
		case "Character": // a channel with `text: utf8mb4` has all text in UTF-8
			return string(v["value"].([]byte))
		case "BinaryObject", "BinaryGeometry":
			return hex.EncodeToString(v["value"].([]byte))
		case "EmptyObject": // the column is not in the image
			return ""
		default:
			return fmt.Sprint(v["value"])
		}
	}
	return ""
}

// What your program does with a change; after a crash the last ones come again.
func handle(offset int64, r record) {
	name := ""
	if object, is := r["objectName"].(record); is {
		name = object["string"].(string)
	}
	operation := r["operation"].(string)
	switch operation {
	case "INSERT", "UPDATE", "DELETE":
		row := r["afterImages"]
		if operation == "DELETE" {
			row = r["beforeImages"]
		}
		line := fmt.Sprint(offset, " ", operation, " ", name)
		for i, field := range r["fields"].(record)["array"].([]any) {
			line += fmt.Sprint(" ", field.(record)["name"], "=", text(row.(record)["array"].([]any)[i]))
		}
		fmt.Println(line)
	case "DDL":
		fmt.Println(offset, operation, name, r["afterImages"].(record)["string"])
	} // BEGIN and COMMIT are around a transaction's changes; a HEARTBEAT comes each second.
}

func settings() []kgo.Opt {
	options := []kgo.Opt{
		kgo.SeedBrokers(address), kgo.ConsumerGroup(group), kgo.ConsumeTopics(topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.SessionTimeout(10 * time.Second), // when this one dies, the next of the group takes over after that
		kgo.DisableAutoCommit(), kgo.BlockRebalanceOnPoll(), // main commits, before the partition may go elsewhere
	}
	if strings.HasPrefix(protocol, "SASL") {
		login := scram.Auth{User: user, Pass: os.Getenv("MILLRACE_PASSWORD")}
		options = append(options, kgo.SASL(login.AsSha256Mechanism()))
	}
	if strings.HasSuffix(protocol, "SSL") {
		config := &tls.Config{}
		if file := os.Getenv("MILLRACE_CA"); file != "" {
			authorities, err := os.ReadFile(file)
			must(err)
			config.RootCAs = x509.NewCertPool()
			config.RootCAs.AppendCertsFromPEM(authorities)
		}
		options = append(options, kgo.DialTLSConfig(config))
	}
	if len(os.Args) > 1 {
		seconds, err := strconv.ParseInt(os.Args[1], 10, 64)
		must(err)
		isMoved := false // once: a later assignment goes on at the checkpoint
		options = append(options, kgo.AdjustFetchOffsetsFn(
			func(_ context.Context, from map[string]map[int32]kgo.Offset) (map[string]map[int32]kgo.Offset, error) {
				for _, partitions := range from {
					for number := range partitions {
						if !isMoved {
							partitions[number] = kgo.NewOffset().AfterMilli(seconds * 1000)
							isMoved = true
						}
					}
				}
				return from, nil
			}))
	}
	return options
}

func main() {
	schema, err := os.ReadFile("record.avsc")
	must(err)
	codec, err := goavro.NewCodec(string(schema))
	must(err)
	client, err := kgo.NewClient(settings()...)
	must(err)
	asked, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	for asked.Err() == nil {
		fetches := client.PollFetches(asked)
		for _, fault := range fetches.Errors() {
			if asked.Err() == nil {
				log.Println(fault.Err) // the client tries again by itself
			}
		}
		fetches.EachRecord(func(r *kgo.Record) {
			value, _, err := codec.NativeFromBinary(r.Value)
			must(err)
			handle(r.Offset, value.(record))
		})
		until, done := context.WithTimeout(context.Background(), 10*time.Second)
		if err := client.CommitUncommittedOffsets(until); err != nil {
			log.Println(err)
		}
		done()
		client.AllowRebalance()
	}
	client.Close() // leaves the group
}
