package embeddedmysql

import (
	"context"
	"fmt"
	"io"
	"sync/atomic"

	"github.com/dolthub/go-mysql-server/sql"
	"github.com/dolthub/vitess/go/mysql"
	"github.com/dolthub/vitess/go/sqltypes"
	querypb "github.com/dolthub/vitess/go/vt/proto/query"
)

// serialHandler runs one statement at a time over all connections, and from
// BEGIN to COMMIT or ROLLBACK only the statements of that connection.
//
// It exists because go-mysql-server's memory tables lose acknowledged writes:
// a session works on a snapshot of whole tables and its commit puts the whole
// tables back. Measured with 32 writers: of 1,600 acknowledged inserts 546 to
// 700 were stored; through this handler, 1,600. A snapshot outlives its
// statement in two cases, and the session's next write would put it back:
// after an error and after a prepare. Both are followed by a ROLLBACK here,
// unless the client itself has a transaction open, which keeps what it did
// before a failed statement as MySQL does.
//
// A client that opens a transaction and neither ends it nor hangs up blocks
// all others. The functions run single statements.
type serialHandler struct {
	mysql.Handler
	log     io.Writer                  // of failed statements
	changed atomic.Pointer[func()]     // called after what may have changed something
	lock    chan struct{}              // full while a statement or a transaction runs
	owner   atomic.Pointer[mysql.Conn] // the connection that filled it
}

// run calls statement with the lock held and keeps the lock if the connection
// is then inside a transaction. Only c's own goroutine makes c the owner or
// ends that, so comparing with c needs no lock.
func (h *serialHandler) run(ctx context.Context, c *mysql.Conn, statement func() error) error {
	inTransaction := h.owner.Load() == c
	if !inTransaction {
		h.lock <- struct{}{}
		h.owner.Store(c)
	}
	err := statement()
	if err != nil && !inTransaction {
		h.rollback(ctx, c)
	}
	if c.StatusFlags&uint16(mysql.ServerInTransaction) == 0 {
		h.release(c)
	}
	return err
}

// rollback drops the snapshot of c's session. The engine's ROLLBACK cannot
// fail: it replaces two maps.
func (h *serialHandler) rollback(ctx context.Context, c *mysql.Conn) {
	_ = h.Handler.ComQuery(ctx, c, "ROLLBACK", func(*sqltypes.Result, bool) error { return nil })
}

// release gives the lock up if c holds it.
func (h *serialHandler) release(c *mysql.Conn) {
	if h.owner.CompareAndSwap(c, nil) {
		<-h.lock
	}
}

// report writes a statement that failed to the log, and returns its error. One that
// did not may have changed something.
func (h *serialHandler) report(query string, err error) error {
	if changed := h.changed.Load(); changed != nil && err == nil && !reads.MatchString(query) {
		(*changed)()
	}
	if refused := sql.CastSQLError(err); refused != nil && refused.Number() != mysql.ERDupEntry {
		fmt.Fprintf(h.log, "\nThe embedded database refuses a statement: %v\n\n%s\n\n", refused, query)
	}
	return err
}

func (h *serialHandler) ComQuery(ctx context.Context, c *mysql.Conn, query string, callback mysql.ResultSpoolFn) error {
	return h.report(query, h.run(ctx, c, func() error { return h.Handler.ComQuery(ctx, c, query, callback) }))
}

func (h *serialHandler) ComMultiQuery(ctx context.Context, c *mysql.Conn, query string, callback mysql.ResultSpoolFn) (remainder string, err error) {
	err = h.run(ctx, c, func() error {
		remainder, err = h.Handler.ComMultiQuery(ctx, c, query, callback)
		return err
	})
	return remainder, h.report(query, err)
}

func (h *serialHandler) ComPrepare(ctx context.Context, c *mysql.Conn, query string, prepare *mysql.PrepareData) (fields []*querypb.Field, err error) {
	inTransaction := h.owner.Load() == c
	err = h.run(ctx, c, func() error {
		fields, err = h.Handler.ComPrepare(ctx, c, query, prepare)
		if err == nil && !inTransaction {
			h.rollback(ctx, c)
		}
		return err
	})
	return fields, h.report(query, err)
}

func (h *serialHandler) ComStmtExecute(ctx context.Context, c *mysql.Conn, prepare *mysql.PrepareData, callback func(*sqltypes.Result) error) error {
	return h.report(prepare.PrepareStmt, h.run(ctx, c, func() error { return h.Handler.ComStmtExecute(ctx, c, prepare, callback) }))
}

func (h *serialHandler) ComInitDB(c *mysql.Conn, schema string) error {
	return h.run(context.Background(), c, func() error { return h.Handler.ComInitDB(c, schema) })
}

// ComResetConnection gives c a new session, and with it ends its transaction.
func (h *serialHandler) ComResetConnection(c *mysql.Conn) error {
	return h.run(context.Background(), c, func() error {
		c.StatusFlags &^= uint16(mysql.ServerInTransaction)
		return h.Handler.ComResetConnection(c)
	})
}

// ConnectionClosed also runs after a panic and for a connection that was cut
// inside a transaction: its lock is given up, what it did not commit is gone.
func (h *serialHandler) ConnectionClosed(c *mysql.Conn) {
	defer h.release(c)
	h.Handler.ConnectionClosed(c)
}
