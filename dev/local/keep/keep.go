// Package keep writes what a program holds in memory to a file soon after it
// changes, so that the program's next start finds it there.
package keep

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// pause is between two writes of a file. With what a write takes it is less than a
// second: that is what a killed program may lose.
const pause = 500 * time.Millisecond

// Lock makes a folder, if need be, and takes it for this process until it ends, or the
// lock is closed. The lock is nil when another process has the folder.
func Lock(folder string) (lock *os.File, err error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	if lock, err = os.OpenFile(filepath.Join(folder, "lock"), os.O_CREATE|os.O_RDWR, 0o600); err != nil {
		return nil, err
	}
	if err = syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		lock.Close()
		if lock = nil; errors.Is(err, syscall.EWOULDBLOCK) {
			err = nil
		}
	}
	return lock, err
}

// Load has use read a file, and tells whether there was one. A file that use refuses
// is damaged: it is set aside, with a line on log, and counts as not there.
func Load(file string, log io.Writer, use func(text []byte) error) (found bool, err error) {
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	} else if err != nil {
		return false, err
	}
	if err := use(text); err != nil {
		reason, _, _ := strings.Cut(err.Error(), "\n")
		aside := file + time.Now().Format(".damaged-20060102-150405")
		fmt.Fprintf(log, "%s is damaged (%.200s). It is set aside as %s, and what it held begins anew.\n", file, reason, filepath.Base(aside))
		return false, os.Rename(file, aside)
	}
	return true, nil
}

// File is a file that follows what a program holds. A nil one does nothing.
type File struct {
	path             string
	log              io.Writer
	content          func() ([]byte, error)
	written          []byte
	changed          chan struct{} // has room for one
	closing, stopped chan struct{}
}

// Follow writes content to a file after each change, at most twice a second, until
// Close. A failure is a line on log; the next change tries again.
func Follow(path string, log io.Writer, content func() ([]byte, error)) *File {
	f := &File{path: path, log: log, content: content,
		changed: make(chan struct{}, 1), closing: make(chan struct{}), stopped: make(chan struct{})}
	go f.follow()
	return f
}

// Changed says that what content returns has changed.
func (f *File) Changed() {
	if f == nil {
		return
	}
	select {
	case f.changed <- struct{}{}:
	default: // a write that has not begun will see this change too
	}
}

// Close writes for the last time. It waits two seconds at most, since content may wait
// for somebody who never ends.
func (f *File) Close() error {
	if f == nil {
		return nil
	}
	close(f.closing)
	select {
	case <-f.stopped:
		return nil
	case <-time.After(2 * time.Second):
		return fmt.Errorf("%s: the last change was not written", f.path)
	}
}

func (f *File) follow() {
	defer close(f.stopped)
	for open := true; open; {
		select {
		case <-f.changed:
		case <-f.closing:
			open = false
		}
		if err := f.write(); err != nil {
			fmt.Fprintf(f.log, "%s cannot be written: %v\n", f.path, err)
		}
		select {
		case <-f.closing:
		case <-time.After(pause):
		}
	}
}

// write puts a complete file in the place of the one before. What it was is there
// until the new one is on the disk.
func (f *File) write() error {
	text, err := f.content()
	if err != nil || bytes.Equal(text, f.written) {
		return err
	}
	beside, err := os.OpenFile(f.path+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = beside.Write(text)
	if err = errors.Join(err, beside.Sync(), beside.Close()); err != nil {
		return err
	}
	if err := os.Rename(beside.Name(), f.path); err != nil {
		return err
	}
	f.written = text
	folder, err := os.Open(filepath.Dir(f.path))
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close()) // the new name, too
}
