package mariadb

import (
	"os"
	"strings"
	"testing"

	"warble/dev/local/dsn"
	"warble/lib/database"
)

// Code that leaves its time zone or character set to the server would otherwise pass.
func TestTheServerCatchesMistakesWithZonesAndCharacterSets(t *testing.T) {
	config, err := database.Config(Start(t).URL())
	if err != nil {
		t.Fatal(err)
	}
	db, err := dsn.Open(config)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var settings string
	const query = "SELECT CONCAT_WS(' ', @@global.time_zone, TIMEDIFF(NOW(), UTC_TIMESTAMP()), @@character_set_server)"
	if err := db.Get(&settings, query); err != nil || settings != "+05:30 05:30:00 latin1" {
		t.Errorf("zone, offset and character set are %q, %v; want +05:30 05:30:00 latin1", settings, err)
	}
}

// Whoever's machine cannot run the tests is told what is wrong with it.
func TestAServerThatCannotStartSaysWhy(t *testing.T) {
	s := Start(t)
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(s.path("data/ibdata1"), []byte("broken"), 0o600); err != nil {
		t.Fatal(err)
	}
	err := s.Start()
	if err == nil || !strings.Contains(err.Error(), "it ended") || !strings.Contains(err.Error(), "ibdata1") {
		t.Errorf("start on broken data: %v; want an error with the server's log", err)
	}
	_, err = find("mariadb-that-nobody-installed")
	if err == nil || !strings.Contains(err.Error(), "apt-get install mariadb-server") {
		t.Errorf("find = %v; want an error that names the package", err)
	}
}
