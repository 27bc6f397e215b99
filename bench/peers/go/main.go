// Reads a binlog from its start by go-mysql and throws its row changes away: by the replication package (decoded rows,
// what is least), or by canal (rows with their tables' definitions, what programs use).
//
// usage: read_go replication|canal HOST PORT USER PASSWORD FILE CHANGES
// Prints one line of JSON.  Seconds and CPU are from the request for the binlog to the last row change: a buffer is full
// of them when the first is handed out.
package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"os"
	"strconv"
	"syscall"
	"time"

	"github.com/go-mysql-org/go-mysql/canal"
	"github.com/go-mysql-org/go-mysql/mysql"
	"github.com/go-mysql-org/go-mysql/replication"
)

const (
	insert = iota
	update
	remove
)

type reader struct {
	limit, changes int
	counts         [3]int
	idSum          int64
	begun          time.Time
	begunCPU       float64
	ended          chan struct{}
}

func cpuSeconds() float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		fail(err)
	}
	return float64(u.Utime.Sec+u.Stime.Sec) + float64(u.Utime.Usec+u.Stime.Usec)/1e6
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, "read_go:", err)
	os.Exit(1)
}

func (r *reader) begin() { r.begun, r.begunCPU = time.Now(), cpuSeconds() }

// Takes the rows of one event: of an update, before and after in turns.  False when there are enough.
func (r *reader) take(kind int, rows [][]any) bool {
	step := 1
	if kind == update {
		step = 2
	}
	for i := step - 1; i < len(rows) && r.changes < r.limit; i += step {
		id, ok := rows[i][0].(int64)
		if !ok {
			fail(fmt.Errorf("a first column of type %T", rows[i][0]))
		}
		r.idSum += id
		r.counts[kind]++
		r.changes++
	}
	if r.changes < r.limit {
		return true
	}
	seconds, cpu := time.Since(r.begun).Seconds(), cpuSeconds()-r.begunCPU
	fmt.Printf(`{"seconds":%.4f,"cpu_seconds":%.3f,"inserts":%d,"updates":%d,"deletes":%d,"id_sum":%d}`+"\n",
		seconds, cpu, r.counts[insert], r.counts[update], r.counts[remove], r.idSum)
	os.Exit(0)
	return false
}

func byReplication(r *reader, host string, port uint16, user, password, file string, logger *slog.Logger) {
	syncer := replication.NewBinlogSyncer(replication.BinlogSyncerConfig{ServerID: 4000000003, Flavor: "mysql", Host: host,
		Port: port, User: user, Password: password, Logger: logger})
	r.begin()
	stream, err := syncer.StartSync(mysql.Position{Name: file, Pos: 4})
	if err != nil {
		fail(err)
	}
	for {
		event, err := stream.GetEvent(context.Background())
		if err != nil {
			fail(err)
		}
		rows, ok := event.Event.(*replication.RowsEvent)
		if !ok {
			continue
		}
		switch event.Header.EventType {
		case replication.WRITE_ROWS_EVENTv2:
			r.take(insert, rows.Rows)
		case replication.UPDATE_ROWS_EVENTv2:
			r.take(update, rows.Rows)
		case replication.DELETE_ROWS_EVENTv2:
			r.take(remove, rows.Rows)
		}
	}
}

type handler struct {
	canal.DummyEventHandler
	r *reader
}

func (h *handler) OnRow(e *canal.RowsEvent) error {
	h.r.take(map[string]int{canal.InsertAction: insert, canal.UpdateAction: update, canal.DeleteAction: remove}[e.Action],
		e.Rows)
	return nil
}

func byCanal(r *reader, host string, port uint16, user, password, file string, logger *slog.Logger) {
	config := canal.NewDefaultConfig()
	config.Addr, config.User, config.Password = fmt.Sprintf("%s:%d", host, port), user, password
	config.ServerID, config.Dump.ExecutionPath, config.Logger = 4000000004, "", logger
	c, err := canal.NewCanal(config)
	if err != nil {
		fail(err)
	}
	c.SetEventHandler(&handler{r: r})
	r.begin()
	fail(c.RunFrom(mysql.Position{Name: file, Pos: 4}))
}

func main() {
	if len(os.Args) != 8 {
		fmt.Fprintln(os.Stderr, "usage: read_go replication|canal HOST PORT USER PASSWORD FILE CHANGES")
		os.Exit(2)
	}
	port, err := strconv.ParseUint(os.Args[3], 10, 16)
	if err != nil {
		fail(err)
	}
	limit, err := strconv.Atoi(os.Args[7])
	if err != nil {
		fail(err)
	}
	read := byReplication
	if os.Args[1] == "canal" {
		read = byCanal
	}
	read(&reader{limit: limit}, os.Args[2], uint16(port), os.Args[4], os.Args[5], os.Args[6],
		slog.New(slog.NewTextHandler(io.Discard, nil)))
}
