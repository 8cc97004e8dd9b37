// Package embeddedmysql is the MySQL server that the local product runs inside its
// own process: go-mysql-server, in memory, on loopback, made safe for writes
// that come over several connections.
package embeddedmysql

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"

	sqle "github.com/dolthub/go-mysql-server"
	"github.com/dolthub/go-mysql-server/memory"
	"github.com/dolthub/go-mysql-server/server"
	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/vitess/go/mysql"
	vitesslog "github.com/dolthub/vitess/go/vt/log"
	"github.com/sirupsen/logrus"
)

// databaseName is the one database that exists from the start.
const databaseName = "warble"

// The engine writes a line for every connection and every refused statement
// through two global loggers. They are off, since serialHandler writes the
// failures that matter; at init, because vitesslog's variables are not safe to set later.
func init() {
	logrus.SetOutput(io.Discard)
	logrus.SetLevel(logrus.PanicLevel)
	print, printf := func(...any) {}, func(string, ...any) {}
	vitesslog.Info, vitesslog.Warning, vitesslog.Error = print, print, print
	vitesslog.Infof, vitesslog.Warningf, vitesslog.Errorf = printf, printf, printf
}

// Server is a running engine. Close ends it.
type Server struct {
	addr     net.Addr
	server   *server.Server
	provider *memory.DbProvider
	tables   *memory.Database
	handler  *serialHandler
}

// Start listens on addr ("127.0.0.1:0" takes a free port) and serves until
// Close. An address that is not loopback is an error: the server asks nobody
// for a password.
//
// A statement that fails is written to log with the engine's own error, unless a
// unique key refused it: the functions expect that.
func Start(addr string, log io.Writer) (*Server, error) {
	tcp, err := net.ResolveTCPAddr("tcp", addr)
	if err != nil {
		return nil, fmt.Errorf("read address of the embedded database: %w", err)
	}
	if !tcp.IP.IsLoopback() {
		return nil, fmt.Errorf("embedded database on %q: only loopback addresses such as 127.0.0.1:0 are allowed", addr)
	}
	listener, err := net.ListenTCP("tcp", tcp)
	if err != nil {
		return nil, fmt.Errorf("listen for the embedded database: %w", err)
	}

	tables := memory.NewDatabase(databaseName)
	s := &Server{addr: listener.Addr(), provider: memory.NewDBProvider(tables), tables: tables, handler: &serialHandler{log: log, lock: make(chan struct{}, 1)}}
	s.server, err = server.NewServerWithHandler(
		server.Config{Listener: listener, Address: listener.Addr().String()},
		sqle.NewDefault(s.provider), sql.NewContext, memory.NewSessionBuilder(s.provider), nil,
		func(h mysql.Handler) (mysql.Handler, error) {
			s.handler.Handler = h
			return s.handler, nil
		})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("start the embedded database: %w", err), listener.Close())
	}
	go s.server.Start() // returns nil, and only after Close
	return s, nil
}

// URL is what to put in DATABASE_URL. The user root has no password.
func (s *Server) URL() string {
	return fmt.Sprintf("mysql://root@%s/%s", s.addr, databaseName)
}

// Close stops listening, and what runs. A connection ends with its client, or with
// the process.
func (s *Server) Close() error {
	if err := s.server.Close(); err != nil {
		return fmt.Errorf("stop listening: %w", err)
	}
	// The engine reports its own cancelled context as the error of a clean end.
	if err := s.server.Engine.Close(); err != nil && !errors.Is(err, context.Canceled) {
		return fmt.Errorf("stop the engine: %w", err)
	}
	return nil
}
