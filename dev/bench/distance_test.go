//go:build linux

package bench

import (
	"bytes"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"warble/dev/testkit"
	"warble/dev/testkit/mariadb"
)

// What a round trip to the database costs the first and the second answer of a
// process, over TLS with the certificate verified, without profiles: of function
// list, beside the floor, which connects when the request comes. Round trips are
// counted up to the first answer.
func BenchmarkDistance(b *testing.B) {
	w := open(b)
	authorities, options := certificate(b)
	server := mariadb.Start(b, options...)
	testkit.Database(b, server.URL())
	for _, roundTrip := range []time.Duration{time.Millisecond, 20 * time.Millisecond, 80 * time.Millisecond} {
		b.Run(fmt.Sprint("round-trip=", roundTrip), func(b *testing.B) {
			far := startFar(b, server.Addr(), roundTrip)
			config := testkit.DatabaseConfig(b, server.URL())
			config.Addr, config.TLSConfig = far.addr, "true"
			sides := w.sides(b, "list", config.FormatDSN(), 1, map[string]string{"CLERK_SECRET_KEY": "", "SSL_CERT_FILE": authorities})
			once(b, func() {
				for _, s := range sides {
					far.trips.Store(0)
					s.call(b, request("list", 0, ""))
					report(b, ms(time.Since(s.function.Running()[0].Begun)), s.prefix+"answered-ms")
					trips := far.trips.Load()
					report(b, float64(trips), s.prefix+"round-trips")
					s.call(b, request("list", 0, ""))
					report(b, ms(s.times[1]), s.prefix+"again-ms")
					// TCP, the greeting, TLS, the login, the statement. A busy machine can tell them apart at this distance.
					if roundTrip == 80*time.Millisecond && s.prefix == "" && trips != 5 {
						b.Errorf("the first answer takes %d round trips to the database; want 5", trips)
					}
				}
			})
		})
	}
}

// thisMachine leads to this machine, and is no loopback address: functions ask for TLS.
const thisMachine = "0.0.0.0"

// certificate makes a certificate for thisMachine with Go's own program for it, and
// returns the file of all authorities that this machine trusts and it, and mariadbd's options.
func certificate(b *testing.B) (authorities string, options []string) {
	dir := b.TempDir()
	generate := exec.Command("sh", "-c", "go run $(go env GOROOT)/src/crypto/tls/generate_cert.go --ca --ecdsa-curve P256 --duration 1h --host "+thisMachine+
		" && cat /etc/ssl/certs/ca-certificates.crt cert.pem > authorities.pem")
	generate.Dir = dir
	if said, err := generate.CombinedOutput(); err != nil {
		b.Fatalf("make a certificate: %v\n%s", err, said)
	}
	return filepath.Join(dir, "authorities.pem"), []string{"--ssl-cert=" + filepath.Join(dir, "cert.pem"), "--ssl-key=" + filepath.Join(dir, "key.pem")}
}

// far forwards connections to a database that is a round trip away.
type far struct {
	addr  string
	half  time.Duration // one way
	trips atomic.Int64  // round trips since it was last set to 0
}

func startFar(b *testing.B, server string, roundTrip time.Duration) *far {
	listener, err := net.Listen("tcp4", thisMachine+":0")
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { listener.Close() })
	f := &far{addr: listener.Addr().String(), half: roundTrip / 2}
	go func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			go f.forward(client, server)
		}
	}()
	return f
}

func (f *far) forward(client net.Conn, server string) {
	// The client is connected already. It waits for the greeting, which a far server
	// sends when SYN, SYN-ACK and ACK have gone their ways.
	time.Sleep(3 * f.half)
	f.trips.Add(2)
	database, err := net.Dial("tcp", server)
	if err != nil {
		client.Close()
		return
	}
	var asks atomic.Bool // whether the client sent something since it last got something
	go f.delay(client, database, func() { asks.Store(false) })
	f.delay(database, client, func() {
		if !asks.Swap(true) {
			f.trips.Add(1)
		}
	})
}

// delay copies what comes from one side to the other, one way later.
func (f *far) delay(to, from net.Conn, arrived func()) {
	type chunk struct {
		due   time.Time
		bytes []byte
	}
	chunks := make(chan chunk, 1000)
	go func() {
		for c := range chunks {
			time.Sleep(time.Until(c.due))
			arrived() // first: the answer may come before the next line
			to.Write(c.bytes)
		}
		to.Close()
	}()
	defer close(chunks)
	buffer := make([]byte, 64<<10)
	for {
		n, err := from.Read(buffer)
		if err != nil {
			return
		}
		chunks <- chunk{time.Now().Add(f.half), bytes.Clone(buffer[:n])}
	}
}
