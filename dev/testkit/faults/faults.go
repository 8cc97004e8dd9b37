// Package faults is a proxy between Warble's functions and their database. It
// counts the commands that pass, and fails as networks and servers do:
// connections cut, server down, server hung, answer lost, far away, failed over.
//
// It reads MySQL's packets as plain text: the connection may use neither TLS nor
// compression, which is so on loopback.
package faults

import (
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// kept is how many commands LastCommands remembers.
const kept = 20

// Proxy forwards connections to one database. Its methods are safe for
// concurrent use.
type Proxy struct {
	tb  testing.TB
	url url.URL // the database's, with the proxy's own host and port

	connections, commands atomic.Int64
	delay                 atomic.Int64 // in ns

	mu       sync.Mutex
	database string       // host and port
	listener net.Listener // nil while down
	open     map[*connection]struct{}
	most     int // of open
	last     []string
	hung     bool
	resumed  sync.Cond // with mu; hung is false again
	swallow  *string   // what SwallowAnswer waits for
}

// connection is one from a client, and the one to the database that belongs to it.
type connection struct {
	client, server net.Conn
	swallow        atomic.Bool // the next bytes from the server are lost
}

func (c *connection) close() {
	c.client.Close()
	c.server.Close()
}

// New forwards a free loopback port to the database of a DATABASE_URL until the
// test ends. The database need not be up yet.
func New(tb testing.TB, databaseURL string) *Proxy {
	tb.Helper()
	database, err := url.Parse(databaseURL)
	if err != nil {
		tb.Fatalf("start fault proxy: %v", err)
	}
	p := &Proxy{tb: tb, database: database.Host, url: *database, open: map[*connection]struct{}{}}
	p.resumed.L = &p.mu
	p.url.Host = "127.0.0.1:0"
	p.Up()
	if p.listener == nil {
		tb.FailNow()
	}
	p.url.Host = p.listener.Addr().String()
	tb.Cleanup(func() {
		p.Resume()
		p.Down()
	})
	return p
}

// accept forwards the connections that come to listener, until it is closed.
func (p *Proxy) accept(listener net.Listener) {
	for {
		client, err := listener.Accept()
		if err != nil {
			return
		}
		go func() {
			p.mu.Lock()
			database := p.database
			p.mu.Unlock()
			server, err := net.Dial("tcp", database)
			if err != nil {
				client.Close()
				return
			}
			c := &connection{client: client, server: server}
			p.mu.Lock()
			isUp := p.listener == listener
			if isUp {
				p.connections.Add(1)
				p.open[c] = struct{}{}
				p.most = max(p.most, len(p.open))
			}
			p.mu.Unlock()
			if isUp {
				p.forward(c)
			}
			c.close()
			p.mu.Lock()
			delete(p.open, c)
			p.mu.Unlock()
		}()
	}
}

// forward passes on what both sides send, until one of them closes the connection.
func (p *Proxy) forward(c *connection) {
	go func() {
		defer c.close()
		for {
			packet, err := readPacket(c.client)
			if err != nil {
				return
			}
			p.waitWhileHung()
			if code, sql, ok := command(packet); ok && p.note(code, sql) {
				c.swallow.Store(true)
			}
			if _, err := c.server.Write(packet); err != nil {
				return
			}
		}
	}()
	data := make([]byte, 32<<10)
	for {
		n, err := c.server.Read(data)
		time.Sleep(time.Duration(p.delay.Load()))
		p.waitWhileHung()
		// A client sends a command only when it has the whole answer to the one
		// before, so the first bytes after the chosen command are its answer.
		if err != nil || c.swallow.Load() {
			return
		}
		if _, err := c.client.Write(data[:n]); err != nil {
			return
		}
	}
}

// URL is the DATABASE_URL that leads through the proxy.
func (p *Proxy) URL() string { return p.url.String() }

// Connections counts the connections accepted so far and connected through to
// the database.
func (p *Proxy) Connections() int64 { return p.connections.Load() }

// MostConnections is how many connections were open at a time, at most.
func (p *Proxy) MostConnections() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.most
}

// Commands counts the commands that clients sent after their handshake:
// queries, prepares, executes, pings, each a round trip, and closed statements.
// COM_QUIT is not counted.
func (p *Proxy) Commands() int64 { return p.commands.Load() }

// LastCommands lists the newest 20 commands, oldest first, as "COM_QUERY SELECT
// 1", for the message of a test that counted too many. SQL is cut at 1,000 bytes.
func (p *Proxy) LastCommands() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.last)
}

// Cut ends all connections, which clients see at once. New ones are accepted
// when Cut returns; one attempted during it may be refused.
func (p *Proxy) Cut() {
	p.tb.Helper()
	p.Down()
	p.Up()
}

// Down ends all connections, which clients see at once, and refuses new ones
// until Up.
func (p *Proxy) Down() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener == nil {
		return
	}
	p.listener.Close()
	p.listener = nil
	for c := range p.open {
		c.close()
	}
}

// Up accepts connections again, on the same port. It does nothing while up.
func (p *Proxy) Up() {
	p.tb.Helper()
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.listener != nil {
		return
	}
	listener, err := net.Listen("tcp", p.url.Host)
	if err != nil {
		p.tb.Errorf("accept connections on %s: %v", p.url.Host, err)
		return
	}
	p.listener = listener
	go p.accept(listener)
}

// FailOver has new connections go to the server at an address, as a database's load
// balancer does. Those that are open stay where they are.
func (p *Proxy) FailOver(address string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.database = address
}

// Delay holds back, for so long each, what the database sends from now on.
func (p *Proxy) Delay(wait time.Duration) { p.delay.Store(int64(wait)) }

// Hang stops every byte, both ways, until Resume. Connections stay open and
// new ones are accepted, but nobody answers.
func (p *Proxy) Hang() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hung = true
}

// Resume ends Hang. What was held back is delivered.
func (p *Proxy) Resume() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.hung = false
	p.resumed.Broadcast()
}

func (p *Proxy) waitWhileHung() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for p.hung {
		p.resumed.Wait()
	}
}

// SwallowAnswer loses the answer to one command, the next whose SQL begins with
// prefix (in any case, after white space; "" is any command): the server gets
// and runs it, then its answer is dropped and the connection cut. The client
// does not learn of the commit. Commands before and after it are answered.
func (p *Proxy) SwallowAnswer(prefix string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.swallow = &prefix
}

// note counts a command, and tells whether its answer is to be lost.
func (p *Proxy) note(code byte, sql string) (swallow bool) {
	if code == comQuit {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.commands.Add(1)
	name, ok := names[code]
	if !ok {
		name = fmt.Sprintf("COM_0x%02x", code)
	}
	p.last = append(p.last, strings.TrimSpace(name+" "+sql))
	p.last = p.last[max(0, len(p.last)-kept):]
	if p.swallow == nil {
		return false
	}
	sql = strings.TrimSpace(sql)
	if n := len(*p.swallow); len(sql) < n || !strings.EqualFold(sql[:n], *p.swallow) {
		return false
	}
	p.swallow = nil
	return true
}
