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
	"io/fs"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"warble/dev/local/process"
	"warble/dev/testkit"
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
	dir     string
	options []string // of the caller's, after our own
	port    int
	log     process.Log
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
	// Not the test's own temporary folder: its path can be longer than the 107
	// bytes that a socket's may have.
	dir, err := os.MkdirTemp("", "mariadb-")
	if err != nil {
		return nil, fmt.Errorf("make the data folder: %w", err)
	}
	s := &Server{dir: dir, options: options}
	if err = s.install(); err == nil {
		s.port = testkit.FreePort()
		err = s.Start()
	}
	if err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// install makes the data folder.
func (s *Server) install() (err error) {
	if s.log.File, err = os.OpenFile(s.path("log"), os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o600); err != nil {
		return err
	}
	if err := os.WriteFile(s.path("setup.sql"), []byte(setup), 0o600); err != nil {
		return err
	}
	said, err := s.command("mariadb-install-db", "--skip-test-db").CombinedOutput()
	if errors.Is(err, fs.ErrNotExist) {
		return errors.New("MariaDB is missing: install it (Debian: apt-get install mariadb-server)")
	} else if err != nil {
		return fmt.Errorf("mariadb-install-db: %w\n%s", err, said)
	}
	return nil
}

// command is a program of MariaDB's with the options that all have in common, and more.
func (s *Server) command(program string, more ...string) *exec.Cmd {
	if _, err := exec.LookPath(program); err != nil {
		program = "/usr/sbin/" + program // where Debian puts servers, which only root has in its PATH
	}
	return exec.Command(program, append([]string{"--no-defaults",
		"--datadir=" + s.path("data"),
		"--tmpdir=" + s.dir,                // a starting server deletes others' #sql files in a shared one
		fmt.Sprint("--user=", os.Getuid()), // it does not run as root unasked
		"--skip-name-resolve",
		"--innodb-log-file-size=16M", // a sixth of the usual
		// What is committed survives the server's death, not the machine's: no
		// test needs that, and a sync for each commit, or file, is slow.
		"--innodb-flush-log-at-trx-commit=2", "--debug-no-sync",
	}, more...)...)
}

// Start brings a stopped server back on the same data and the same port, and
// returns when it answers.
func (s *Server) Start() error {
	command := s.command("mariadbd", slices.Concat([]string{
		"--socket=" + s.path("socket"),
		"--pid-file=" + s.path("pid"),
		"--init-file=" + s.path("setup.sql"),
		"--bind-address=127.0.0.1",
		fmt.Sprint("--port=", s.port),
		"--default-time-zone=+05:30",
		"--character-set-server=latin1",
		"--collation-server=latin1_swedish_ci",
		"--max-connections=500",
		"--innodb-buffer-pool-size=32M",
	}, s.options)...)
	command.Stdout, command.Stderr = s.log.File, s.log.File
	err := s.log.Truncate(0) // an earlier start's
	if err == nil {
		s.process, err = process.Start(command)
	}
	if err == nil {
		err = s.process.WaitFor("ready for connections", s.log, timeout)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("start mariadb on port %d: %w", s.port, err), s.Stop())
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
	defer s.log.Close()
	return errors.Join(s.Stop(), os.RemoveAll(s.dir))
}

// URL is what to put in DATABASE_URL: the user may do everything.
func (s *Server) URL() string {
	u := url.URL{Scheme: "mysql", User: url.UserPassword(name, password), Host: s.Addr(), Path: name}
	return u.String()
}

// Addr is the server's host and port.
func (s *Server) Addr() string { return fmt.Sprint("127.0.0.1:", s.port) }

func (s *Server) path(name string) string { return filepath.Join(s.dir, name) }
