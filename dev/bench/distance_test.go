//go:build linux

package bench

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
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
					b.ReportMetric(ms(time.Since(s.function.Running()[0].Begun)), s.prefix+"answered-ms")
					b.ReportMetric(float64(far.trips.Load()), s.prefix+"round-trips")
					s.call(b, request("list", 0, ""))
					b.ReportMetric(ms(s.times[1]), s.prefix+"again-ms")
				}
			})
		})
	}
}

// thisMachine leads to this machine, and is no loopback address: functions ask for TLS.
var thisMachine = net.IPv4zero

// certificate makes a certificate for thisMachine, and returns the file of all authorities
// that this machine trusts and it, and mariadbd's options.
func certificate(b *testing.B) (authorities string, options []string) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		b.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{thisMachine}, IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		b.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		b.Fatal(err)
	}
	dir := b.TempDir()
	file := func(name string, content []byte) string {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			b.Fatal(err)
		}
		return filepath.Join(dir, name)
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	trusted, _ := os.ReadFile("/etc/ssl/certs/ca-certificates.crt")
	return file("authorities.pem", append(trusted, public...)), []string{
		"--ssl-cert=" + file("server.pem", public),
		"--ssl-key=" + file("key.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})),
	}
}

// far forwards connections to a database that is a round trip away.
type far struct {
	addr  string
	half  time.Duration // one way
	trips atomic.Int64  // round trips since it was last set to 0
}

func startFar(b *testing.B, server string, roundTrip time.Duration) *far {
	listener, err := net.Listen("tcp4", net.JoinHostPort(thisMachine.String(), "0"))
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
