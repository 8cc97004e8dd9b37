//go:build linux

package main

import (
	"fmt"
	"io"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"warble/dev/testkit/lambda"
)

// measureColdStarts times the first answer of new processes: once as they are,
// and once with a relay before the database that takes the time of each step.
func measureColdStarts(w *world, b *bars) ([]section, error) {
	type side struct {
		start     func(databaseURL string) (*lambda.Function, error)
		wall, cpu series
		steps     [5]series
	}
	sides := []*side{
		{start: func(url string) (*lambda.Function, error) { return w.ours("list", url, 1, nil) }},
		{start: func(url string) (*lambda.Function, error) { return w.theFloor("list", url, 1) }},
	}
	relay, err := newRelay(w.server.Addr())
	if err != nil {
		return nil, err
	}
	defer relay.close()
	direct := w.dsn(table)
	relayed := strings.Replace(direct, w.server.Addr(), relay.addr(), 1)

	for round := range w.opts.coldStarts {
		for _, s := range sides {
			for _, url := range []string{direct, relayed} {
				// A third of them is enough to see where the time goes.
				if url == relayed && round%3 != 0 {
					continue
				}
				f, err := s.start(url)
				if err != nil {
					return nil, err
				}
				relay.reset()
				if _, err := call(w.ctx, f, request("GET", "/api/posts", "", "")); err != nil {
					return nil, err
				}
				answered := time.Now()
				up := f.Starts()[0]
				if url == direct {
					spent, err := cpu(up.Pid)
					if err != nil {
						return nil, err
					}
					s.wall, s.cpu = append(s.wall, ms(answered.Sub(up.Begun))), append(s.cpu, ms(spent))
				} else {
					at := append([]time.Time{up.Begun, up.Waiting}, relay.times()...)
					for i, end := range append(at[1:], answered) {
						s.steps[i] = append(s.steps[i], ms(end.Sub(at[0])))
					}
				}
				f.Close()
			}
		}
	}
	// Beside the rest, since the trace itself takes time.
	ours, err := w.ours("list", direct, 1, map[string]string{"GODEBUG": "inittrace=1"})
	if err != nil {
		return nil, err
	}
	if _, err := call(w.ctx, ours, request("GET", "/api/posts", "", "")); err != nil {
		return nil, err
	}

	us, them := sides[0], sides[1]
	total := section{
		title: "Cold start",
		note:  fmt.Sprintf("Function list, from the start of its process to its first answer, %d times. Below: when it gets where, with a relay before the database, which takes some time itself.", w.opts.coldStarts),
		rows:  [][]string{{"", "ours", "floor", "ratio"}},
	}
	total.row("to the first answer, ms", us.wall.String(), them.wall.String(), number(us.wall.over(them.wall).median()))
	total.row("CPU by then, ms", us.cpu.String(), them.cpu.String(), number(us.cpu.over(them.cpu).median()))
	for i, step := range []string{
		"asks for an event, after ms: process, Go runtime and packages are up", "connects to the database, after ms",
		"sends its statement, after ms", "has the rows, after ms", "has answered, after ms: ours has asked Clerk for 20 profiles",
	} {
		total.row(step, us.steps[i].String(), them.steps[i].String(), number(us.steps[i].median()/them.steps[i].median()))
	}
	total.note += " " + initialisations(ours.Log())
	b.add("cold start, over the floor's", us.wall.over(them.wall).median(), 1.25, " ×")
	return []section{total}, nil
}

var initialisation = regexp.MustCompile(`(?m)^init (\S+) @\S+ ms, (\S+) ms clock`)

// initialisations says what the Go runtime's trace tells of our packages.
func initialisations(log string) string {
	type cost struct {
		name string
		ms   float64
	}
	var all []cost
	sum := 0.
	for _, match := range initialisation.FindAllStringSubmatch(log, -1) {
		took, err := strconv.ParseFloat(match[2], 64)
		if err == nil {
			all, sum = append(all, cost{match[1], took}), sum+took
		}
	}
	slices.SortFunc(all, func(a, b cost) int { return int((b.ms - a.ms) * 1e6) })
	text := fmt.Sprintf("The initialisation of our %d packages that have one takes %s ms", len(all), number(sum))
	for i, c := range all[:min(4, len(all))] {
		text += []string{", most of it ", ", ", ", ", ", "}[i] + fmt.Sprintf("`%s` %s", c.name, number(c.ms))
	}
	return text + "."
}

// relay passes connections on to the database and notes when the first one was
// made, when its first command passed, and when that was answered.
type relay struct {
	listener net.Listener
	upstream string

	mu                           sync.Mutex
	connected, command, answered time.Time
}

func newRelay(upstream string) (*relay, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	r := &relay{listener: listener, upstream: upstream}
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return // closed
			}
			r.note(&r.connected)
			server, err := net.Dial("tcp", upstream)
			if err != nil {
				client.Close()
				continue
			}
			go r.pass(server, client, func(data []byte) {
				// A command's packets are counted from 0, a handshake's are not.
				if len(data) > 4 && data[3] == 0 {
					r.note(&r.command)
				}
			})
			go r.pass(client, server, func([]byte) {
				r.mu.Lock()
				waiting := !r.command.IsZero()
				r.mu.Unlock()
				if waiting {
					r.note(&r.answered)
				}
			})
		}
	}()
	return r, nil
}

func (r *relay) pass(to, from net.Conn, see func([]byte)) {
	defer to.Close()
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if n > 0 {
			see(buffer[:n])
			if _, err := to.Write(buffer[:n]); err != nil {
				return
			}
		}
		if err != nil {
			if err != io.EOF {
				from.Close()
			}
			return
		}
	}
}

// note sets one of the times, once.
func (r *relay) note(t *time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if t.IsZero() {
		*t = time.Now()
	}
}

func (r *relay) reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.connected, r.command, r.answered = time.Time{}, time.Time{}, time.Time{}
}

func (r *relay) times() []time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return []time.Time{r.connected, r.command, r.answered}
}

func (r *relay) addr() string { return r.listener.Addr().String() }

func (r *relay) close() { r.listener.Close() }
