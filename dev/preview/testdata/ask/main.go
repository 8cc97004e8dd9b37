// Command ask stands in for the programs of preview.sh, under their names: it asks the
// test that listens in the home folder what to print, and starts in milliseconds.
package main

import (
	"encoding/json"
	"io"
	"net"
	"os"
	"path/filepath"
)

func main() {
	stdin, _ := io.ReadAll(os.Stdin)
	test, err := net.Dial("unix", filepath.Join(os.Getenv("HOME"), "socket"))
	if err != nil {
		panic(err)
	}
	args := append([]string{filepath.Base(os.Args[0])}, os.Args[1:]...)
	answer := struct {
		Out    json.RawMessage
		Err    string
		Status int
	}{Err: "the test did not answer\n", Status: 1}
	if json.NewEncoder(test).Encode(map[string]any{"Args": args, "Env": os.Environ(), "Stdin": stdin}) == nil {
		answer.Err, answer.Status = "", 0
		if err := json.NewDecoder(test).Decode(&answer); err != nil {
			panic(err)
		}
	}
	if len(answer.Out) > 0 && string(answer.Out) != "null" {
		os.Stdout.Write(append(answer.Out, '\n'))
	}
	os.Stderr.WriteString(answer.Err)
	os.Exit(answer.Status)
}
