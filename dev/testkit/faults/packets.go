package faults

import "io"

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

// command returns the command that begins in a client's packet, with its SQL where it
// has one. The packets of a handshake answer the server's and so are never number 0;
// the later packets of a command over 16 MB are not either.
func command(packet []byte) (code byte, sql string, ok bool) {
	if packet[3] != 0 || len(packet) == headerBytes {
		return 0, "", false
	}
	code, text := packet[headerBytes], packet[headerBytes+1:]
	switch code {
	case comQuery, comPrepare, comInitDB:
		sql = string(text[:min(len(text), maxTextBytes)])
	}
	return code, sql, true
}
