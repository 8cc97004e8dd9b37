package mariadb

import (
	"database/sql"
	"fmt"
	"net/url"
	"os"
	"strings"
	"testing"

	_ "github.com/go-sql-driver/mysql"
)

func connect(t *testing.T, s *Server) *sql.DB {
	t.Helper()
	u, err := url.Parse(s.URL())
	if err != nil {
		t.Fatal(err)
	}
	password, _ := u.User.Password()
	db, err := sql.Open("mysql", fmt.Sprintf("%s:%s@tcp(%s)%s", u.User.Username(), password, u.Host, u.Path))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

func TestServerCatchesMistakesWithZonesAndCharacterSets(t *testing.T) {
	s := Start(t)
	db := connect(t, s)
	var version, zone, offset, charset string
	if err := db.QueryRow("SELECT VERSION(), @@global.time_zone, TIMEDIFF(NOW(), UTC_TIMESTAMP()), @@character_set_server").
		Scan(&version, &zone, &offset, &charset); err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(version, "MariaDB") {
		t.Errorf("VERSION() = %q; want a MariaDB", version)
	}
	if zone != "+05:30" || offset != "05:30:00" || charset != "latin1" {
		t.Errorf("zone %q, offset %q, character set %q; want +05:30, 05:30:00, latin1", zone, offset, charset)
	}
}

func TestStoppedServerComesBackWithItsDataAndAddress(t *testing.T) {
	s := Start(t)
	db := connect(t, s)
	for _, query := range []string{"CREATE TABLE notes (id INT PRIMARY KEY)", "INSERT INTO notes VALUES (7)"} {
		if _, err := db.Exec(query); err != nil {
			t.Fatal(err)
		}
	}
	before := s.URL()
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	if err := db.Ping(); err == nil {
		t.Error("the stopped server answers")
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	if s.URL() != before {
		t.Errorf("URL %q after the restart; want %q", s.URL(), before)
	}
	var id int
	if err := db.QueryRow("SELECT id FROM notes").Scan(&id); err != nil || id != 7 {
		t.Errorf("read %d, %v after the restart; want the row that was committed", id, err)
	}
}

func TestTwoServersShareNothing(t *testing.T) {
	a, b := Start(t), Start(t)
	if _, err := connect(t, a).Exec("CREATE TABLE only_in_a (id INT)"); err != nil {
		t.Fatal(err)
	}
	if _, err := connect(t, b).Exec("SELECT * FROM only_in_a"); err == nil {
		t.Error("a table of one server is in the other")
	}
}

func TestServerThatCannotStartSaysWhy(t *testing.T) {
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
}

func TestMachineWithoutMariaDBIsToldHowToGetIt(t *testing.T) {
	_, err := find("mariadb-that-nobody-installed")
	if err == nil || !strings.Contains(err.Error(), "apt-get install mariadb-server") {
		t.Errorf("find = %v; want an error that names the package", err)
	}
}
