// Package faults is a proxy between Warble's functions and their database. It keeps
// the commands that pass, and fails as networks and servers do: connections cut, server
// down, server hung, answer lost, far away, failed over. No proxy among our modules, nor
// toxiproxy, knows MySQL's commands, and so which answer to lose.
//
// It reads MySQL's packets as plain text: the connection may use neither TLS nor
// compression, which is so on loopback.
package faults

import (
	"fmt"
	"io"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"warble/dev/testkit"
)

// Proxy forwards connections to one database. Its methods are safe for
// concurrent use.
type Proxy struct {
	url url.URL // the database's, with the proxy's own host and port

	mu          sync.Mutex
	database    string            // host and port
	listener    net.Listener      // nil while down
	open        map[net.Conn]bool // both ends of each connection
	connections int               // accepted so far
	commands    []string
	delay       time.Duration
	hung        bool
	resumed     sync.Cond // hung is false again
	swallow     *string   // what SwallowAnswer waits for
}

// New forwards a free loopback port to the database of a DATABASE_URL until the
// test ends. The database need not be up yet.
func New(tb testing.TB, databaseURL string) *Proxy {
	tb.Helper()
	database, err := url.Parse(databaseURL)
	if err != nil {
		tb.Fatalf("start fault proxy: %v", err)
	}
	p := &Proxy{database: database.Host, url: *database, open: map[net.Conn]bool{}}
	p.resumed.L = &p.mu
	p.url.Host = fmt.Sprint("127.0.0.1:", testkit.FreePort())
	p.Up()
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
		go p.forward(listener, client)
	}
}

// forward passes on what a client and the database send, until one of them closes
// the connection.
func (p *Proxy) forward(listener net.Listener, client net.Conn) {
	defer client.Close()
	var database string
	p.locked(func() { database = p.database })
	server, err := net.Dial("tcp", database)
	if err != nil {
		return
	}
	defer server.Close()
	var down, lose bool // lose: what the server sends next, guarded by mu
	p.locked(func() {
		if down = p.listener != listener; !down { // it may have gone down meanwhile
			p.open[client], p.open[server] = true, true
			p.connections++
		}
	})
	if down {
		return
	}
	defer p.locked(func() {
		delete(p.open, client)
		delete(p.open, server)
	})

	go func() {
		defer server.Close() // which ends the loop below
		for {
			packet, err := readPacket(client)
			if err != nil {
				return
			}
			p.unhung(func() { lose = p.note(packet) || lose })
			if _, err := server.Write(packet); err != nil {
				return
			}
		}
	}()
	data := make([]byte, 32<<10)
	for {
		n, err := server.Read(data)
		if err != nil {
			return
		}
		var wait time.Duration
		p.locked(func() { wait = p.delay })
		time.Sleep(wait)
		// A client sends a command only when it has the whole answer to the one
		// before, so the first bytes after the chosen command are its answer.
		var lost bool
		p.unhung(func() { lost = lose })
		if lost {
			return
		}
		if _, err := client.Write(data[:n]); err != nil {
			return
		}
	}
}

// URL is the DATABASE_URL that leads through the proxy.
func (p *Proxy) URL() string { return p.url.String() }

// Connections is how many connections were accepted so far and connected through
// to the database.
func (p *Proxy) Connections() (n int) {
	p.locked(func() { n = p.connections })
	return n
}

// Commands are those that clients sent so far after their handshake: queries,
// prepares, executes, pings, each a round trip, and closed statements. COM_QUIT is left
// out. A command is its SQL, cut at 1,000 bytes, or its number, as "command 0x0e".
func (p *Proxy) Commands() (sent []string) {
	p.locked(func() { sent = slices.Clone(p.commands) })
	return sent
}

// Cut ends all connections, which clients see at once. New ones are accepted
// when Cut returns; one attempted during it may be refused.
func (p *Proxy) Cut() {
	p.Down()
	p.Up()
}

// Down ends all connections, which clients see at once, and refuses new ones
// until Up.
func (p *Proxy) Down() {
	p.locked(func() {
		if p.listener == nil {
			return
		}
		p.listener.Close()
		p.listener = nil
		for c := range p.open {
			c.Close()
		}
	})
}

// Up accepts connections again, on the same port. It does nothing while up.
func (p *Proxy) Up() {
	p.locked(func() {
		if p.listener != nil {
			return
		}
		var err error
		if p.listener, err = net.Listen("tcp", p.url.Host); err != nil {
			panic(err) // the port is ours alone: see testkit.FreePort
		}
		go p.accept(p.listener)
	})
}

// FailOver has new connections go to the server at an address, as a database's load
// balancer does. Those that are open stay where they are.
func (p *Proxy) FailOver(address string) { p.locked(func() { p.database = address }) }

// Delay holds back, for so long each, what the database sends from now on.
func (p *Proxy) Delay(wait time.Duration) { p.locked(func() { p.delay = wait }) }

// Hang stops every byte, both ways, until Resume. Connections stay open and
// new ones are accepted, but nobody answers.
func (p *Proxy) Hang() { p.locked(func() { p.hung = true }) }

// Resume ends Hang. What was held back is delivered.
func (p *Proxy) Resume() {
	p.locked(func() { p.hung = false })
	p.resumed.Broadcast()
}

// SwallowAnswer loses the answer to one command, the next whose SQL begins with
// prefix: the server gets and runs it, then its answer is dropped and the connection
// cut. The client does not learn of the commit. Commands before and after it are
// answered.
func (p *Proxy) SwallowAnswer(prefix string) { p.locked(func() { p.swallow = &prefix }) }

// locked does what needs the fields that mu guards.
func (p *Proxy) locked(do func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	do()
}

// unhung is locked once the server does not hang.
func (p *Proxy) unhung(do func()) {
	p.locked(func() {
		for p.hung {
			p.resumed.Wait()
		}
		do()
	})
}

// MySQL's command bytes that are told apart: what a client sends first in a packet
// whose sequence number is 0.
const (
	comQuit    = 0x01
	comQuery   = 0x03
	comPrepare = 0x16
)

// headerBytes are three of a packet's length, low byte first, and its sequence number.
const headerBytes = 4

// readPacket reads the next packet, its header included.
func readPacket(from io.Reader) ([]byte, error) {
	header := make([]byte, headerBytes)
	if _, err := io.ReadFull(from, header); err != nil {
		return nil, err
	}
	packet := make([]byte, headerBytes+int(header[0])+int(header[1])<<8+int(header[2])<<16)
	copy(packet, header)
	_, err := io.ReadFull(from, packet[headerBytes:])
	return packet, err
}

// note keeps the command that begins in a client's packet, if one does, and tells
// whether its answer is to be lost. The packets of a handshake answer the server's and so
// are never number 0; the later packets of a command over 16 MB are not either.
func (p *Proxy) note(packet []byte) (lose bool) {
	if packet[3] != 0 || len(packet) == headerBytes || packet[headerBytes] == comQuit {
		return false
	}
	code, text := packet[headerBytes], packet[headerBytes+1:]
	command := fmt.Sprintf("command %#02x", code)
	if code == comQuery || code == comPrepare {
		command = strings.TrimSpace(string(text[:min(len(text), 1_000)]))
	}
	p.commands = append(p.commands, command)
	lose = p.swallow != nil && strings.HasPrefix(command, *p.swallow)
	if lose {
		p.swallow = nil
	}
	return lose
}
