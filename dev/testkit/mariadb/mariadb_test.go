package mariadb

import (
	"os"
	"strings"
	"testing"

	"warble/dev/testkit"
)

// Code that leaves its time zone or character set to the server would otherwise pass.
func TestTheServerCatchesMistakesWithZonesAndCharacterSets(t *testing.T) {
	db := testkit.Open(t, testkit.DatabaseConfig(t, Start(t).URL()))
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
	t.Setenv("PATH", t.TempDir())
	if _, err = New(); err == nil || !strings.Contains(err.Error(), "apt-get install mariadb-server") {
		t.Errorf("without MariaDB: %v; want an error that names the package", err)
	}
}
