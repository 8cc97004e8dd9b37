// Package faults is a proxy between Warble's functions and their database. It
// counts the commands that pass, and fails as networks and servers do:
// connections cut, server down, server hung, answer lost.
//
// It is toxiproxy with two toxics that know MySQL's packets. They read plain
// text: the connection may use neither TLS nor compression, which is so on
// loopback.
package faults

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/Shopify/toxiproxy/v2"
	"github.com/rs/zerolog"
)

// kept is how many commands LastCommands remembers.
const kept = 20

// Proxy forwards connections to one database. Its methods are safe for
// concurrent use.
type Proxy struct {
	tb    testing.TB
	addr  string
	url   url.URL // the database's, with addr
	proxy *toxiproxy.Proxy
	down  sync.RWMutex // held while Down closes connections

	mu          sync.Mutex
	connections int64
	open, most  int   // connections now, and at any time
	accepted    *conn // whose answers link is still to be started
	commands    int64
	last        []string
	flow        chan struct{} // closed while bytes may pass
	swallow     *string       // what SwallowAnswer waits for
}

// New forwards a free loopback port to the database of a DATABASE_URL until the
// test ends. The database need not be up yet.
func New(tb testing.TB, databaseURL string) *Proxy {
	tb.Helper()
	database, err := url.Parse(databaseURL)
	if err != nil {
		tb.Fatalf("start fault proxy: %v", err)
	}
	logger := zerolog.Nop()
	api := toxiproxy.NewServer(toxiproxy.NewMetricsContainer(nil), logger)
	p := &Proxy{tb: tb, proxy: toxiproxy.NewProxy(api, "database", "127.0.0.1:0", database.Host), flow: make(chan struct{})}
	close(p.flow)
	// There is no connection yet, so the toxics can be given their proxy.
	requests, err := p.proxy.Toxics.AddToxicJson(strings.NewReader(`{"type":"` + requestsType + `","stream":"upstream"}`))
	if err != nil {
		tb.Fatalf("add toxic for requests: %v", err)
	}
	requests.Toxic.(*requestsToxic).proxy = p
	answers, err := p.proxy.Toxics.AddToxicJson(strings.NewReader(`{"type":"` + answersType + `","stream":"downstream"}`))
	if err != nil {
		tb.Fatalf("add toxic for answers: %v", err)
	}
	answers.Toxic.(*answersToxic).proxy = p
	if err := p.proxy.Start(); err != nil {
		tb.Fatalf("start fault proxy: %v", err)
	}
	p.addr = p.proxy.Listen
	p.url = *database
	p.url.Host = p.addr
	tb.Cleanup(func() {
		p.Resume()
		p.proxy.Stop()
	})
	return p
}

// URL is the DATABASE_URL that leads through the proxy.
func (p *Proxy) URL() string { return p.url.String() }

// Connections counts the connections accepted so far and connected through to
// the database.
func (p *Proxy) Connections() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.connections
}

// MostConnections is how many connections were open at a time, at most.
func (p *Proxy) MostConnections() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.most
}

// Commands counts the commands that clients sent after their handshake:
// queries, prepares, executes, pings, each a round trip, and closed statements.
// COM_QUIT is not counted.
func (p *Proxy) Commands() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.commands
}

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
	// Stop closes both ends of each connection. A link that closed one end
	// because the other was closed would do so in parallel, and Stop would return
	// before that is done: see forward.
	p.down.Lock()
	defer p.down.Unlock()
	p.proxy.Stop()
}

// Up accepts connections again, on the same port. It does nothing while up.
func (p *Proxy) Up() {
	p.tb.Helper()
	if err := p.proxy.Start(); err != nil && err != toxiproxy.ErrProxyAlreadyStarted {
		p.tb.Errorf("accept connections on %s again: %v", p.addr, err)
	}
}

// Hang stops every byte, both ways, until Resume. Connections stay open and
// new ones are accepted, but nobody answers.
func (p *Proxy) Hang() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.flow:
		p.flow = make(chan struct{})
	default: // hangs already
	}
}

// Resume ends Hang. What was held back is delivered.
func (p *Proxy) Resume() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.flow:
	default:
		close(p.flow)
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

// flowing is closed while bytes may pass.
func (p *Proxy) flowing() <-chan struct{} {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.flow
}

// command takes note of a command and tells whether its answer is to be lost.
func (p *Proxy) command(code byte, sql string) (swallow bool) {
	if code == comQuit {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.commands++
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
