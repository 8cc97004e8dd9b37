package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// number is a store of one number, whose dump takes a while to write.
type number struct {
	atomic.Int64
	changed func()
}

func (n *number) Watch(changed func())  { n.changed = changed }
func (n *number) Dump() ([]byte, error) { return fmt.Appendf(nil, "%1000000d.", n.value()), nil }
func (n *number) value() int64          { return n.Int64.Load() }
func (n *number) Load(dump []byte) error {
	text, whole := strings.CutSuffix(string(dump), ".")
	value, err := strconv.ParseInt(strings.TrimSpace(text), 10, 64)
	if !whole || err != nil {
		return errors.New("its end is missing\nsecond line")
	}
	n.Store(value)
	return nil
}

// open opens a folder with a number in it.
func open(t *testing.T, path string, fresh bool) (f *folder, n *number, found bool, said *bytes.Buffer) {
	t.Helper()
	n, said = &number{}, &bytes.Buffer{}
	f, _, err := openFolder(path, fresh, said)
	if err == nil {
		found, err = f.keep("number", n)
	}
	if err != nil {
		t.Fatal(err)
	}
	return f, n, found, said
}

// end is the end of the process: another may have the folder.
func (f *folder) end() {
	f.saveAll()
	f.dir.Close()
}

func TestWhatChangedIsThereTomorrowAndAnotherRunDoesNotWriteThere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "made")
	folder, n, found, _ := open(t, path, false)
	if folder == nil || found {
		t.Fatalf("an empty folder: %v, found %v", folder, found)
	}
	n.Store(7)
	second, other, found, said := open(t, path, false)
	other.Store(8)
	if second.saveAll(); second != nil || found || said.Len() > 0 {
		t.Errorf("a second run has the folder: %v, %v, %s", second, found, said)
	}
	folder.end()
	folder, n, found, _ = open(t, path, false)
	if !found || n.value() != 7 {
		t.Errorf("found %v, %d; want 7", found, n.value())
	}
	folder.end()
	folder, n, found, _ = open(t, path, true)
	if found || n.value() != 0 {
		t.Errorf("a fresh run finds %d", n.value())
	}
	folder.end()
	folder, n, found, _ = open(t, path, false)
	if !found || n.value() != 0 {
		t.Errorf("a fresh run leaves %d", n.value())
	}
	folder.end()
}

func TestADamagedFileIsSetAsideWithOneLine(t *testing.T) {
	path := t.TempDir()
	if err := os.WriteFile(filepath.Join(path, "number"), []byte("12"), 0o600); err != nil {
		t.Fatal(err)
	}
	folder, _, found, said := open(t, path, false)
	folder.end()
	aside, _ := filepath.Glob(filepath.Join(path, "number.damaged-*"))
	if found || len(aside) != 1 || strings.Count(said.String(), "\n") != 1 || !strings.Contains(said.String(), "is damaged (its end is missing)") {
		t.Fatalf("found %v, aside %v, said %q", found, aside, said)
	}
	if text, err := os.ReadFile(aside[0]); string(text) != "12" || !strings.Contains(said.String(), filepath.Base(aside[0])) {
		t.Errorf("aside is %q, %v; said %q", text, err, said)
	}
}

func TestAFileThatCannotBeWrittenIsTold(t *testing.T) {
	path := filepath.Join(t.TempDir(), "folder")
	folder, n, _, said := open(t, path, false)
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
	n.Store(1)
	if folder.end(); !strings.Contains(said.String(), "number cannot be written: ") {
		t.Errorf("said %q", said)
	}
}

// kill -9 while somebody writes all the time leaves a whole file, and not an old one.
// The test runs itself as the program that is killed.
func TestAKilledProgramLeavesAWholeFileOfJustBefore(t *testing.T) {
	path := os.Getenv("KEEP_TEST_CHILD")
	if path != "" {
		_, n, _, _ := open(t, path, false)
		for {
			n.Add(1)
			n.changed()
			time.Sleep(time.Millisecond)
		}
	}
	path = t.TempDir()
	var last int64
	for round := range 5 {
		child := exec.Command(os.Args[0], "-test.run=^"+t.Name()+"$")
		child.Env = append(os.Environ(), "KEEP_TEST_CHILD="+path)
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		// Writes that never pause must not put off the file.
		for n, begun := new(number), time.Now(); n.value() <= last; time.Sleep(time.Millisecond) {
			dump, err := os.ReadFile(filepath.Join(path, "number"))
			if err == nil {
				err = n.Load(dump)
			}
			if err != nil && !os.IsNotExist(err) {
				t.Fatalf("the file while the program runs, of %d bytes: %v", len(dump), err)
			}
			if time.Since(begun) > time.Minute {
				t.Fatalf("round %d: the file stays at %d", round, n.value())
			}
		}
		if err := child.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		child.Wait() // reports the kill
		folder, n, found, said := open(t, path, false)
		folder.end()
		if !found || n.value() <= last || said.Len() > 0 {
			t.Fatalf("round %d: found %v, %d after %d, said %q", round, found, n.value(), last, said)
		}
		last = n.value()
	}
}
