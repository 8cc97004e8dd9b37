package faults

import (
	"sync/atomic"

	"github.com/Shopify/toxiproxy/v2/stream"
	"github.com/Shopify/toxiproxy/v2/toxics"
)

const (
	requestsType = "mysql_requests"
	answersType  = "mysql_answers"
)

func init() {
	toxics.Register(requestsType, new(requestsToxic))
	toxics.Register(answersType, new(answersToxic))
}

// conn is what the two directions of one connection share.
type conn struct {
	parser  parser
	swallow atomic.Bool // the next bytes from the server are lost
}

// requestsToxic handles what clients send. Neither toxic looks at
// ToxicStub.Interrupt: that is for changing a chain of toxics, and this one is
// complete before the first connection.
type requestsToxic struct{ proxy *Proxy }

// NewState is called once for each connection, by toxiproxy's one accepting
// goroutine, which then calls answersToxic's for the same connection.
func (t *requestsToxic) NewState() any {
	t.proxy.mu.Lock()
	defer t.proxy.mu.Unlock()
	t.proxy.connections++
	t.proxy.open++
	t.proxy.most = max(t.proxy.most, t.proxy.open)
	t.proxy.accepted = new(conn)
	return t.proxy.accepted
}

func (t *requestsToxic) Pipe(stub *toxics.ToxicStub) {
	c := stub.State.(*conn)
	forward(t.proxy, stub, func(chunk *stream.StreamChunk) bool {
		c.parser.parse(chunk.Data, func(code byte, sql string) {
			if t.proxy.command(code, sql) {
				c.swallow.Store(true)
			}
		})
		return true
	})
}

// answersToxic handles what the server sends.
type answersToxic struct{ proxy *Proxy }

func (t *answersToxic) NewState() any {
	t.proxy.mu.Lock()
	defer t.proxy.mu.Unlock()
	return t.proxy.accepted
}

func (t *answersToxic) Pipe(stub *toxics.ToxicStub) {
	c := stub.State.(*conn)
	// A client sends a command only when it has the whole answer to the one
	// before, so the first bytes after the chosen command are its answer.
	forward(t.proxy, stub, func(*stream.StreamChunk) bool { return !c.swallow.Load() })
	t.proxy.mu.Lock()
	t.proxy.open--
	t.proxy.mu.Unlock()
}

// forward passes the chunks on that pass lets through. At the first other one,
// or when its sender closed, it closes the receiver's end of the connection.
func forward(p *Proxy, stub *toxics.ToxicStub, pass func(*stream.StreamChunk) bool) {
	for chunk := range stub.Input {
		<-p.flowing()
		if !pass(chunk) {
			break
		}
		stub.Output <- chunk
	}
	p.down.RLock() // leaves it to Down while that runs
	stub.Close()
	p.down.RUnlock()
	for range stub.Input { // until the sender's end has been closed too
	}
}
