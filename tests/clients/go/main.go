// The drivers (tests/clients/README.md) of the Go clients: one program, the client is its argument.
package main

import (
	"bufio"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"strconv"
)

type orders struct {
	bootstrap, topic, group   string
	user, password, mechanism string
	end, commit, timeMs       int64
}

func number(name string) int64 {
	n, err := strconv.ParseInt(os.Getenv(name), 10, 64)
	if err != nil {
		return 0
	}
	return n
}

var order = orders{
	bootstrap: os.Getenv("MILLRACE_BOOTSTRAP"), topic: os.Getenv("MILLRACE_TOPIC"), group: os.Getenv("MILLRACE_GROUP"),
	user: os.Getenv("MILLRACE_USER"), password: os.Getenv("MILLRACE_PASSWORD"), mechanism: os.Getenv("MILLRACE_MECHANISM"),
	end: number("MILLRACE_END"), commit: number("MILLRACE_COMMIT"), timeMs: number("MILLRACE_TIME_MS"),
}

// What MILLRACE_CA says; nil: plain text.
func tlsConfig() *tls.Config {
	file := os.Getenv("MILLRACE_CA")
	if file == "" {
		return nil
	}
	authorities, err := os.ReadFile(file)
	must(err)
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(authorities)
	return &tls.Config{RootCAs: pool}
}

func say(words ...any) {
	fmt.Println(words...)
}

// Prints a record below the end; true: it was the last.
func sayRecord(offset, timeMs int64, value []byte) bool {
	if offset < order.end {
		say("record", offset, timeMs, fmt.Sprintf("%08x", crc32.ChecksumIEEE(value)))
	}
	return offset == order.end-1
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// Closed when the input ends.
func inputEnd() <-chan struct{} {
	ended := make(chan struct{})
	go func() {
		io.Copy(io.Discard, bufio.NewReader(os.Stdin))
		close(ended)
	}()
	return ended
}

func main() {
	drivers := map[string]func(<-chan struct{}){"sarama": driveSarama,
		"sarama-partition": driveSaramaPartition, "kafka-go": driveKafkaGo, "franz-go": driveFranz}
	drivers[os.Args[1]](inputEnd())
	say("ended")
}
