// Package mariadb starts private MariaDB servers for tests: the database that
// shows what concurrent writes, lost connections and restarts do to Warble.
//
// A server's settings are chosen to catch mistakes. Its time zone is +05:30 and
// its default character set latin1, so that code which leaves either to the
// server fails here, and its password must be escaped in a URL.
package mariadb

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"testing"
	"time"

	"warble/dev/local/dsn"
	"warble/dev/local/process"
	"warble/lib/database"
)

const (
	name     = "warble" // of the database and its user
	password = "w@rble/50%"

	// timeout bounds waiting for a server that will never be ready or never
	// end. Either takes about 0.2 s.
	timeout = time.Minute
)

// setup is run by every start, before the server accepts connections.
const setup = `CREATE DATABASE IF NOT EXISTS ` + name + `;
CREATE USER IF NOT EXISTS '` + name + `'@'127.0.0.1' IDENTIFIED BY '` + password + `';
GRANT ALL ON *.* TO '` + name + `'@'127.0.0.1' WITH GRANT OPTION;
`

// Server is a MariaDB with a data folder, a port and a socket of its own.
// Its methods are not for concurrent use.
type Server struct {
	user    string // whom it runs as: it does not run as root unasked
	dir     string
	options []string // of the caller's, after our own
	port    int
	process *process.Process // nil while stopped
}

// Start gives a running server with an empty database "warble", and stops and
// removes it when the test ends. Options are those of New. Without MariaDB on
// this machine it fails the test: nothing may be skipped silently.
func Start(tb testing.TB, options ...string) *Server {
	tb.Helper()
	s, err := New(options...)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	return s
}

// New is Start for callers outside of a test, such as a TestMain. Options of
// mariadbd, such as "--innodb-buffer-pool-size=512M", come after our own and
// override them. The caller owns the server and must Close it.
func New(options ...string) (*Server, error) {
	me, err := user.Current()
	if err != nil {
		return nil, fmt.Errorf("find the user to run mariadb as: %w", err)
	}
	// Not the test's own temporary folder: its path can be longer than the 107
	// bytes that a socket's may have.
	dir, err := os.MkdirTemp("", "mariadb-")
	if err != nil {
		return nil, fmt.Errorf("make the data folder: %w", err)
	}
	s := &Server{user: me.Username, dir: dir, options: options}
	if s.port, err = freePort(); err == nil {
		err = s.install()
	}
	if err == nil {
		err = s.Start()
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// install makes the data folder.
func (s *Server) install() error {
	if err := os.WriteFile(s.path("setup.sql"), []byte(setup), 0o600); err != nil {
		return fmt.Errorf("write setup.sql: %w", err)
	}
	program, err := find("mariadb-install-db")
	if err != nil {
		return err
	}
	out, err := exec.Command(program, s.arguments("--skip-test-db")...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("mariadb-install-db: %w\n%s", err, out)
	}
	return nil
}

// arguments are those that install and a start have in common, and more.
func (s *Server) arguments(more ...string) []string {
	return append([]string{"--no-defaults",
		"--datadir=" + s.path("data"),
		"--tmpdir=" + s.dir, // a starting server deletes others' #sql files in a shared one
		"--user=" + s.user,
		"--skip-name-resolve",
		"--innodb-log-file-size=16M", // a sixth of the usual
		// What is committed survives the server's death, not the machine's: no
		// test needs that, and a sync for each commit, or file, is slow.
		"--innodb-flush-log-at-trx-commit=2", "--debug-no-sync",
	}, more...)
}

// Start brings a stopped server back on the same data and the same port, and
// returns when it answers.
func (s *Server) Start() error {
	log, err := os.OpenFile(s.path("log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return fmt.Errorf("open mariadb's log: %w", err)
	}
	defer log.Close() // the server has its own
	program, err := find("mariadbd")
	if err != nil {
		return err
	}
	cmd := exec.Command(program, slices.Concat(s.arguments(
		"--socket="+s.path("socket"),
		"--pid-file="+s.path("pid"),
		"--init-file="+s.path("setup.sql"),
		"--bind-address=127.0.0.1",
		"--port="+strconv.Itoa(s.port),
		"--default-time-zone=+05:30",
		"--character-set-server=latin1",
		"--collation-server=latin1_swedish_ci",
		"--max-connections=500",
		"--innodb-buffer-pool-size=32M",
	), s.options)...)
	cmd.Stdout, cmd.Stderr = log, log
	if s.process, err = process.Start(cmd); err != nil {
		return err
	}
	config, err := database.Config(s.URL())
	if err != nil {
		return err
	}
	db, err := dsn.Open(config)
	if err != nil {
		return err
	}
	defer db.Close()
	if err := s.process.WaitReady(timeout, db.Ping); err != nil {
		log, _ := os.ReadFile(s.path("log"))
		return errors.Join(fmt.Errorf("start mariadb on port %d: %w\n%s", s.port, err, log), s.Stop())
	}
	return nil
}

// Stop ends the server as an operator would and keeps its data. A server that
// is stopped already stays so.
func (s *Server) Stop() error {
	if s.process == nil {
		return nil
	}
	err := s.process.Stop(syscall.SIGTERM, timeout)
	s.process = nil
	if err != nil {
		return fmt.Errorf("stop mariadb: %w", err)
	}
	return nil
}

// Close stops the server and removes its data.
func (s *Server) Close() error {
	return errors.Join(s.Stop(), os.RemoveAll(s.dir))
}

// URL is what to put in DATABASE_URL: the user may do everything.
func (s *Server) URL() string {
	u := url.URL{Scheme: "mysql", User: url.UserPassword(name, password), Host: s.Addr(), Path: name}
	return u.String()
}

// Addr is the server's host and port.
func (s *Server) Addr() string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port))
}

func (s *Server) path(name string) string { return filepath.Join(s.dir, name) }

// find also looks where Debian puts servers, which only root has in its PATH.
func find(program string) (string, error) {
	for _, file := range []string{program, "/usr/sbin/" + program} {
		if path, err := exec.LookPath(file); err == nil {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s is missing: install MariaDB (Debian: apt-get install mariadb-server)", program)
}

// freePort gives a port that nobody listens on now. It is below the range from
// which systems number outgoing connections, so that none of those takes it
// while the server is down.
func freePort() (port int, err error) {
	for range 100 {
		port = 15_000 + rand.IntN(15_000)
		var l net.Listener
		if l, err = net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port)); err == nil {
			return port, l.Close()
		}
	}
	return 0, fmt.Errorf("find a free port: %w", err)
}
