package database

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/go-sql-driver/mysql"

	"warble/lib/handler"
	"warble/lib/problem"
)

func TestDatabaseURLIsReadInBothSpellings(t *testing.T) {
	for _, test := range []struct {
		name, value                    string
		user, password, addr, database string
		tls                            bool
	}{
		{"PlanetScale's dashboard", "mysql://abc123:pscale_pw_xyz@aws.connect.psdb.cloud/warble?sslaccept=strict",
			"abc123", "pscale_pw_xyz", "aws.connect.psdb.cloud:3306", "warble", true},
		{"PlanetScale for Node", `mysql://abc123:pscale_pw_xyz@aws.connect.psdb.cloud/warble?ssl={"rejectUnauthorized":true}`,
			"abc123", "pscale_pw_xyz", "aws.connect.psdb.cloud:3306", "warble", true},
		{"a branch by its port", "mysql://u:p@aws.connect.psdb.cloud:3306/warble%7Cpr-1", "u", "p", "aws.connect.psdb.cloud:3306", "warble|pr-1", true},
		{"Prisma with its own settings", "mysql://u:p@db.example:3307/warble?connection_limit=1&connect_timeout=300&socket=/x",
			"u", "p", "db.example:3307", "warble", true},
		{"TLS cannot be turned off", "mysql://u:p@db.example/warble?sslaccept=accept_invalid_certs&tls=false&ssl-mode=DISABLED",
			"u", "p", "db.example:3306", "warble", true},
		{"percent-encoded password", "mysql://u:p%40ss%2Fw%3Ard@db.example/warble", "u", "p@ss/w:rd", "db.example:3306", "warble", true},
		{"scheme in capitals", "MySQL://u:p@db.example/warble", "u", "p", "db.example:3306", "warble", true},
		{"IPv6", "mysql://u:p@[2001:db8::1]:3307/warble", "u", "p", "[2001:db8::1]:3307", "warble", true},
		{"loopback", "mysql://root@127.0.0.1:3307/warble", "root", "", "127.0.0.1:3307", "warble", false},
		{"loopback by name", "mysql://root@localhost/warble?sslaccept=strict", "root", "", "localhost:3306", "warble", false},
		{"loopback IPv6", "mysql://root@[::1]/warble", "root", "", "[::1]:3306", "warble", false},
		{"a name that starts with localhost", "mysql://u:p@localhost.evil.example/warble", "u", "p", "localhost.evil.example:3306", "warble", true},
		{"the driver's DSN", "u:p@tcp(db.example:3307)/warble?tls=true", "u", "p", "db.example:3307", "warble", true},
		{"DSN, TLS turned off", "u:p@tcp(db.example)/warble?tls=false&parseTime=false&loc=Local&multiStatements=true", "u", "p", "db.example:3306", "warble", true},
		{"DSN, TLS not verified", "u:p@tcp(db.example)/warble?tls=skip-verify", "u", "p", "db.example:3306", "warble", true},
		{"DSN with an odd password", "u:p@ss/w?rd@tcp(db.example)/warble", "u", "p@ss/w?rd", "db.example:3306", "warble", true},
		{"production's mark", "mysql://u:p@db.example/warble?sslaccept=strict#production", "u", "p", "db.example:3306", "warble", true},
		{"production's mark, DSN", "u:p@tcp(db.example)/warble#production", "u", "p", "db.example:3306", "warble", true},
		{"production's mark, DSN with a setting", "u:p@tcp(db.example)/warble?tls=true#production", "u", "p", "db.example:3306", "warble", true},
		{"DSN, socket", "root@unix(/run/mysqld/mysqld.sock)/warble", "root", "", "/run/mysqld/mysqld.sock", "warble", false},
	} {
		config, err := Config(test.value)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
			continue
		}
		if config.User != test.user || config.Passwd != test.password || config.Addr != test.addr || config.DBName != test.database {
			t.Errorf("%s: %s:%s@%s/%s; want %s:%s@%s/%s", test.name, config.User, config.Passwd, config.Addr, config.DBName,
				test.user, test.password, test.addr, test.database)
		}
		if (config.TLSConfig == "true") != test.tls {
			t.Errorf("%s: TLS %q; want it verified: %t", test.name, config.TLSConfig, test.tls)
		}
		// What is ours to say, whatever the string says.
		if !config.ParseTime || config.Loc != time.UTC || !config.InterpolateParams || !config.ClientFoundRows ||
			config.MultiStatements || config.Timeout == 0 || config.ReadTimeout == 0 || config.WriteTimeout == 0 ||
			!config.CheckConnLiveness || config.AllowFallbackToPlaintext || config.AllowCleartextPasswords || len(config.Params) > 0 {
			t.Errorf("%s: the string decides how the connection behaves: %+v", test.name, config)
		}
		if _, err := mysql.NewConnector(config); err != nil {
			t.Errorf("%s: the driver refuses it: %v", test.name, err)
		}
	}
}

// state is a SQLSTATE as the driver keeps it.
func state(s string) [5]byte { return [5]byte([]byte(s)) }

func TestOutagesAreTemporaryOurMistakesAreNotAndNeitherQuotesAnything(t *testing.T) {
	for _, test := range []struct {
		err    error
		status int
		log    string
	}{
		{sql.ErrNoRows, 404, "no such post"},
		{context.DeadlineExceeded, 503, "longer than the request may"},
		{mysql.ErrInvalidConn, 503, "invalid connection"},
		{&net.OpError{Op: "dial", Err: errors.New("refused")}, 503, "refused"},
		{&mysql.MySQLError{Number: 1040, Message: "secret text"}, 503, "1040"},
		{&mysql.MySQLError{Number: 1105, Message: "Sql: \"insert … secret text\""}, 503, "1105"},
		{&mysql.MySQLError{Number: 1213, Message: "secret text"}, 503, "1213"},
		{&mysql.MySQLError{Number: 1045, Message: "Access denied for user 'secret text'@'10.0.0.1'"}, 503, "DATABASE_URL"},
		{&mysql.MySQLError{Number: 1049, Message: "secret text"}, 503, "DATABASE_URL"},
		{&mysql.MySQLError{Number: 1146, Message: "secret text"}, 503, "schema.sql"},
		{fmt.Errorf("read: %w", io.ErrUnexpectedEOF), 503, "EOF"},
		{driver.ErrBadConn, 503, "bad connection"},
		{mysql.ErrPktSync, 503, "out of sync"},
		{connectError{errors.New("tls: unsupported version")}, 503, "unsupported version"},
		{connectError{&mysql.MySQLError{Number: 1045, SQLState: state("28000"), Message: "secret text"}}, 503, "DATABASE_URL"},
		{&mysql.MySQLError{Number: 1203, SQLState: state("42000"), Message: "secret text"}, 503, "1203"},
		{&mysql.MySQLError{Number: 1226, SQLState: state("42000"), Message: "secret text"}, 503, "1226"},
		{&mysql.MySQLError{Number: 1205, SQLState: state("HY000"), Message: "secret text"}, 503, "1205"},
		{&mysql.MySQLError{Number: 1290, SQLState: state("HY000"), Message: "secret text"}, 503, "1290"},
		{&mysql.MySQLError{Number: 1053, SQLState: state("08S01"), Message: "secret text"}, 503, "1053"},
		{context.Canceled, 503, "canceled"},
		{&mysql.MySQLError{Number: 1040, SQLState: state("08004"), Message: "secret text"}, 503, "1040"},
		{&mysql.MySQLError{Number: 1836, SQLState: state("HY000"), Message: "secret text"}, 503, "1836"},
		{&mysql.MySQLError{Number: 1213, SQLState: state("40001"), Message: "secret text"}, 503, "1213"},
		{&mysql.MySQLError{Number: 1021, SQLState: state("HY000"), Message: "secret text"}, 503, "1021"}, // the disk is full
		{&mysql.MySQLError{Number: 3024, SQLState: state("HY000"), Message: "secret text"}, 503, "3024"}, // too slow
		{&mysql.MySQLError{Number: 1698, SQLState: state("28000"), Message: "secret text"}, 503, "DATABASE_URL"},
		// As vtgate says them: a tablet that is gone, a query that is killed, a pool or a
		// user's limit that is full, a shard that is being moved.
		{&mysql.MySQLError{Number: 1105, SQLState: state("HY000"), Message: "vttablet: rpc error: code = Unavailable desc = secret text"}, 503, "1105"},
		{&mysql.MySQLError{Number: 1317, SQLState: state("70100"), Message: "secret text"}, 503, "1317"},
		{&mysql.MySQLError{Number: 1203, SQLState: state("42000"), Message: "secret text: resource exhausted"}, 503, "1203"},
		{&mysql.MySQLError{Number: 1815, SQLState: state("HY000"), Message: "secret text"}, 503, "1815"},
		{&mysql.MySQLError{Number: 2013, SQLState: state("HY000"), Message: "secret text"}, 503, "2013"},
		// A server that is back answers these the same again.
		{&mysql.MySQLError{Number: 1064, SQLState: state("42000"), Message: "secret text"}, 500, "1064"},
		{&mysql.MySQLError{Number: 1054, SQLState: state("42S22"), Message: "secret text"}, 500, "1054"},
		{&mysql.MySQLError{Number: 1136, SQLState: state("21S01"), Message: "secret text"}, 500, "1136"},
		{&mysql.MySQLError{Number: 1406, SQLState: state("22001"), Message: "secret text"}, 500, "1406"},
		{&mysql.MySQLError{Number: 1062, SQLState: state("23000"), Message: "secret text"}, 500, "1062"},
		{&mysql.MySQLError{Number: 1364, SQLState: state("HY000"), Message: "secret text"}, 500, "1364"},
		{&mysql.MySQLError{Number: 1366, SQLState: state("HY000"), Message: "secret text"}, 500, "1366"},
		{&mysql.MySQLError{Number: 3819, SQLState: state("HY000"), Message: "secret text"}, 500, "3819"},
		{&mysql.MySQLError{Number: 1644, SQLState: state("45000"), Message: "secret text"}, 500, "1644"},
		{errors.New(`sql: Scan error on column index 3, name "created_at": converting driver.Value type []uint8 ("secret text") to a int64: invalid syntax`), 500, "created_at"},
		{errors.New("sql: expected 3 arguments, got 2"), 500, "expected 3 arguments"},
		{mysql.ErrPktTooLarge, 500, "too large"},
	} {
		p := problem.From(problemOf(test.err))
		if p.Status != test.status || !strings.Contains(p.Error(), test.log) {
			t.Errorf("%v: %d, log %q; want %d and %q", test.err, p.Status, p.Error(), test.status, test.log)
		}
		if (test.status == 503) != (p.RetryAfter > 0) {
			t.Errorf("%v: Retry-After %v with a %d; want it with a 503 and no other", test.err, p.RetryAfter, test.status)
		}
		for _, leak := range []string{"secret", "10.0.0.1", "refused", "invalid connection"} {
			if strings.Contains(p.Detail, leak) || leak == "secret" && strings.Contains(p.Error(), leak) {
				t.Errorf("%v: detail %q, log %q quote %q", test.err, p.Detail, p.Error(), leak)
			}
		}
	}
}

// greeting is a MySQL's: version 10, a thread, a salt, all capabilities, TLS among
// them, and the usual way to log in.
var greeting = "\x0a8.0\x00\x01\x00\x00\x0012345678\x00\xff\xff\x21\x02\x00\xff\xff\x15" + strings.Repeat("\x00", 10) + "123456789012\x00mysql_native_password\x00"

// Whatever answers in the database's place, as a proxy that is not set up does,
// callers are told to come again.
func TestAServerThatIsNoDatabaseIsAnOutage(t *testing.T) {
	for name, says := range map[string][]string{
		"a web server":                {"HTTP/1.1 400 Bad Request\r\n\r\n"},
		"a server of another age":     {"\x02\x00\x00\x00\x09x"},
		"a closed door":               {},
		"a database with broken TLS":  {string(rune(len(greeting))) + "\x00\x00\x00" + greeting, "HTTP/1.1 400 Bad Request\r\n\r\n"},
		"a database that is too busy": {"\x14\x00\x00\x00\xff\x10\x04secret text: busy"},
	} {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer listener.Close()
		go func() {
			for {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				for i, text := range says {
					if i > 0 {
						conn.Read(make([]byte, 1000)) // what the driver answers
					}
					conn.Write([]byte(text))
				}
				conn.(*net.TCPConn).CloseWrite()
				go io.Copy(io.Discard, conn)
			}
		}()
		config, err := Config("mysql://u:p@" + listener.Addr().String() + "/warble")
		if err != nil {
			t.Fatal(err)
		}
		config.TLSConfig = "true" // as for any host but this machine
		dialer, err := mysql.NewConnector(config)
		if err != nil {
			t.Fatal(err)
		}
		db := sql.OpenDB(connector{dialer})
		defer db.Close()
		_, err = db.Exec("SELECT 1")
		if p := problem.From(problemOf(err)); p.Status != 503 || p.RetryAfter == 0 || strings.Contains(p.Detail+p.Error(), "secret") {
			t.Errorf("%s: %v is a %d %q; want a 503", name, err, p.Status, p.Error())
		}
	}
}

// A server that answers each statement with the next of these, and the last again
// and again. For lost it closes the connection instead.
func answering(t *testing.T, answers ...string) (statements *atomic.Int64) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	statements = &atomic.Int64{}
	serve := func(conn net.Conn) {
		defer conn.Close()
		send := func(sequence byte, payload string) {
			conn.Write([]byte{byte(len(payload)), 0, 0, sequence})
			io.WriteString(conn, payload)
		}
		send(0, greeting)
		for login := true; ; login = false {
			var header [4]byte
			if _, err := io.ReadFull(conn, header[:]); err != nil {
				return
			}
			command := make([]byte, int(header[0])+int(header[1])<<8)
			io.ReadFull(conn, command)
			if login {
				send(2, ok(0, 0))
				continue
			}
			n := int(statements.Add(1))
			answer := answers[min(n, len(answers))-1]
			if answer == lost {
				return
			}
			send(1, answer)
		}
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go serve(conn)
		}
	}()
	t.Setenv("DATABASE_URL", "mysql://u@"+listener.Addr().String()+"/warble")
	before := Pool
	Pool = sync.OnceValues(open)
	t.Cleanup(func() {
		if db, err := Pool(); err == nil {
			if n := db.Stats().InUse; n > 0 {
				t.Errorf("%d connections are still in use", n)
			}
			db.Close()
		}
		listener.Close()
		Pool = before
	})
	return statements
}

// lost is in the place of an answer that does not arrive: nobody knows whether the
// statement ran.
const lost = ""

// ok and refusal are a server's answers, as MySQL's protocol has them.
func ok(found, id byte) string { return string([]byte{0, found, id, 2, 0, 0, 0}) }

func refusal(number uint16, state string) string {
	return string([]byte{0xff, byte(number), byte(number >> 8)}) + "#" + state + "secret text"
}

func TestAWriteThatTheDatabaseHasUndoneIsSentUntilItPassesAndNoOtherIs(t *testing.T) {
	undone, taken := refusal(1213, "40001"), refusal(1062, "23000")
	for name, test := range map[string]struct {
		answers    []string
		found      int64
		status     int // of the problem; 0 for none
		statements int64
	}{
		"passes":                 {[]string{ok(3, 0)}, 3, 0, 1},
		"undone ten times":       {append(slices.Repeat([]string{undone}, 10), ok(3, 0)), 3, 0, 11},
		"waited for too long":    {[]string{refusal(1205, "HY000"), ok(3, 0)}, 0, 503, 1},
		"cannot work":            {[]string{refusal(1054, "42S22"), ok(3, 0)}, 0, 500, 1},
		"its answer is lost":     {[]string{lost, ok(3, 0)}, 0, 503, 1},
		"undone, then ill fated": {[]string{undone, refusal(1054, "42S22"), ok(3, 0)}, 0, 500, 2},
	} {
		statements := answering(t, test.answers...)
		found, err := Exec(t.Context(), "DELETE FROM posts")
		if found != test.found || statusOf(err) != test.status || statements.Load() != test.statements {
			t.Errorf("%s: %d rows, %v, sent %d times; want %d, a %d, sent %d times", name, found, err, statements.Load(), test.found, test.status, test.statements)
		}
	}

	for answer, status := range map[string]int{ok(1, 0): 0, ok(0, 0): 404, refusal(1054, "42S22"): 500} {
		answering(t, answer)
		if err := ExecOne(t.Context(), "DELETE FROM posts"); statusOf(err) != status {
			t.Errorf("one row, answered %q: %v; want a %d", answer, err, status)
		}
	}

	// Who inserts looks first what is there now.
	for name, test := range map[string]struct {
		answer  string
		id      int64
		refused bool
		status  int
	}{
		"passes":      {ok(1, 7), 7, false, 0},
		"undone":      {undone, 0, true, 500},
		"taken":       {taken, 0, true, 500},
		"cannot work": {refusal(1054, "42S22"), 0, false, 500},
		"too slow":    {refusal(3024, "HY000"), 0, false, 503},
		"lost":        {lost, 0, false, 503},
	} {
		statements := answering(t, test.answer)
		id, err := Insert(t.Context(), "INSERT INTO posts VALUES ()")
		if id != test.id || errors.Is(err, ErrRefused) != test.refused || statusOf(err) != test.status || statements.Load() != 1 {
			t.Errorf("insert, %s: %d, %v, sent %d times; want %d, refused %t, a %d, sent once", name, id, err, statements.Load(), test.id, test.refused, test.status)
		}
		if err != nil && strings.Contains(err.Error(), "secret") {
			t.Errorf("insert, %s: %v quotes the server", name, err)
		}
	}
}

// Load balancers drop what is silent for five minutes, a request must still be
// answered when its database is not, and a database has so many connections for all.
func TestConnectionsEndBeforeOthersEndThem(t *testing.T) {
	if idleTime <= 0 || idleTime > lifetime || lifetime >= 5*time.Minute {
		t.Errorf("a connection is kept for %v, silent for %v; want less than five minutes", lifetime, idleTime)
	}
	if dialTimeout <= 0 || dialTimeout >= handler.Deadline || ioTimeout <= 0 || ioTimeout > handler.Deadline {
		t.Errorf("connecting may take %v, an answer %v; want it within a request's %v", dialTimeout, ioTimeout, handler.Deadline)
	}
	answering(t, ok(0, 0))
	if db, err := Pool(); err != nil || db.Stats().MaxOpenConnections != connections {
		t.Errorf("a process may hold %d connections, %v; want %d at most", db.Stats().MaxOpenConnections, err, connections)
	}
}

func TestReadsFailWithAProblem(t *testing.T) {
	statements := answering(t, refusal(1040, "08004"))
	var row struct{ ID int64 }
	if err := Get(t.Context(), &row, "SELECT 1"); statusOf(err) != 503 {
		t.Errorf("one row: %v; want a 503", err)
	}
	if err := Select(t.Context(), &[]int64{}, "SELECT 1"); statusOf(err) != 503 {
		t.Errorf("rows: %v; want a 503", err)
	}
	if statements.Load() != 2 {
		t.Errorf("%d statements; want each sent once", statements.Load())
	}
}

// statusOf is the status that an error is answered with, 0 for none.
func statusOf(err error) int {
	if err == nil {
		return 0
	}
	return problem.From(err).Status
}

// A caller whose statement is undone again and again waits at most as long again as
// it has waited, and to the deadline at the latest.
func TestPausesGrowWithTheTimeSpentAndEndWithTheRequest(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const deadline = 5 * time.Second
		ctx, cancel := context.WithTimeout(t.Context(), deadline)
		defer cancel()
		begun, last := time.Now(), time.Now()
		attempts, longest := 0, time.Duration(0)
		for range Attempts(ctx) {
			attempts++
			pause := time.Since(last)
			if pause > max(firstPause, last.Sub(begun)/2) {
				t.Errorf("attempt %d after a pause of %v at %v", attempts, pause, last.Sub(begun))
			}
			last, longest = time.Now(), max(longest, pause)
		}
		if attempts < 12 || attempts > 100 || longest < 10*firstPause {
			t.Errorf("%d attempts, the longest pause %v; want some dozen, farther and farther apart", attempts, longest)
		}
		if took := time.Since(begun); took > deadline {
			t.Errorf("ended %v after the deadline", took-deadline)
		}
	})
}

func FuzzDatabaseURLIsSafeOrRefused(f *testing.F) {
	for _, seed := range []string{"mysql://u:p@db.example/warble?sslaccept=strict", "u:p@tcp(db.example:3307)/warble?tls=false", "root@unix(/x)/y",
		"mysql://u@[::1]/w", "mysql://u:p@127.0.0.1.example/w", "u:p@tcp(127.0.0.1)/w", "u@custom(localhost:1)/w", "mysql://u@localhost:0/w", "u@tcp/w"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		config, err := Config(value)
		if err != nil {
			if _, ok := errors.AsType[*problem.Problem](err); !ok {
				t.Fatalf("parse(%q): %v is no problem", value, err)
			}
			return
		}
		host, _, _ := net.SplitHostPort(config.Addr)
		if config.TLSConfig != "true" && config.Net != "unix" && host != "localhost" && !net.ParseIP(host).IsLoopback() {
			t.Fatalf("parse(%q): %s over %s without TLS", value, config.Addr, config.Net)
		}
	})
}
