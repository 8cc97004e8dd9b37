package faults

// MySQL's command bytes: what a client sends first in a packet whose sequence
// number is 0.
const (
	comQuit    = 0x01
	comInitDB  = 0x02
	comQuery   = 0x03
	comPrepare = 0x16
)

// names are those of the commands that go-sql-driver sends.
var names = map[byte]string{
	comInitDB:  "COM_INIT_DB",
	comQuery:   "COM_QUERY",
	0x0e:       "COM_PING",
	comPrepare: "COM_STMT_PREPARE",
	0x17:       "COM_STMT_EXECUTE",
	0x18:       "COM_STMT_SEND_LONG_DATA",
	0x19:       "COM_STMT_CLOSE",
	0x1f:       "COM_RESET_CONNECTION",
}

const (
	headerBytes  = 4     // three of length, low byte first, and the sequence number
	maxTextBytes = 1_000 // of a command's SQL, kept for messages
)

// parser finds the commands in what one client sends, in pieces of any size.
// The packets of a handshake answer the server's and so are never number 0; the
// later packets of a command over 16 MB are not either.
type parser struct {
	header  [headerBytes]byte
	have    int // bytes of the header
	left    int // bytes of the payload still to come
	payload []byte
}

// parse reads the client's next bytes and calls command at the end of each
// command in them, with its SQL where it has one.
func (p *parser) parse(data []byte, command func(code byte, sql string)) {
	for len(data) > 0 {
		if p.have < headerBytes {
			n := copy(p.header[p.have:], data)
			p.have += n
			data = data[n:]
			if p.have < headerBytes {
				return
			}
			p.left = int(p.header[0]) | int(p.header[1])<<8 | int(p.header[2])<<16
			p.payload = p.payload[:0]
		}
		n := min(p.left, len(data))
		p.payload = append(p.payload, data[:min(n, 1+maxTextBytes-len(p.payload))]...)
		p.left -= n
		data = data[n:]
		if p.left > 0 {
			return
		}
		p.have = 0
		if sequence := p.header[3]; sequence != 0 || len(p.payload) == 0 {
			continue
		}
		switch code := p.payload[0]; code {
		case comQuery, comPrepare, comInitDB:
			command(code, string(p.payload[1:]))
		default:
			command(code, "")
		}
	}
}
