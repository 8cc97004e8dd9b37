package database

import (
	"net"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"warble/lib/env"
)

const variable = "DATABASE_URL"

// productionMark is what may stand at the end of production's address. A preview
// with it would write to production's database.
const productionMark = "#production"

// Config reads both spellings of DATABASE_URL: the URL of PlanetScale's dashboard
// and of Prisma, and the DSN of go-sql-driver. It takes the user, the host and the
// database from them. How the connection behaves is set here. Its error is a
// problem that says what is wrong, without the value.
func Config(databaseURL string) (*mysql.Config, error) {
	if databaseURL == "" {
		return nil, env.Missing(variable)
	}
	if err := env.Check(variable, databaseURL); err != nil {
		return nil, err
	}
	if env.Get("VERCEL_ENV") == "preview" && strings.Contains(strings.ToLower(databaseURL), productionMark) {
		return nil, env.Wrong(variable, "has "+productionMark+": previews would write to production's database")
	}
	config, wrong := parse(strings.TrimSuffix(databaseURL, productionMark))
	switch {
	case wrong != "":
		return nil, env.Wrong(variable, wrong)
	case config.User == "":
		return nil, env.Wrong(variable, "names no user")
	case config.DBName == "":
		return nil, env.Wrong(variable, "names no database")
	}
	if !local(config) {
		config.TLSConfig = "true" // with the certificate and the host's name verified
	}
	config.ParseTime, config.Loc = true, time.UTC
	config.InterpolateParams = true // a statement is one round trip, not prepare, execute and close
	config.ClientFoundRows = true   // an update that changes nothing counts its row too
	config.RejectReadOnly = true    // after a failover, leave a server that has become read-only
	config.Timeout, config.ReadTimeout, config.WriteTimeout = dialTimeout, ioTimeout, ioTimeout
	config.Logger = &mysql.NopLogger{} // errors reach the log once, through their request
	return config, nil
}

// parse returns the user, the host and the database of an address, or what is
// wrong with it.
func parse(address string) (config *mysql.Config, wrong string) {
	scheme, _, isURL := strings.Cut(strings.TrimPrefix(address, "jdbc:"), "://")
	if !isURL || strings.Contains(address, "@tcp(") { // whose password may have any character
		return parseDSN(address)
	}
	switch scheme = strings.ToLower(scheme); {
	case strings.HasPrefix(address, "jdbc:"):
		return nil, "begins with jdbc:, which Java reads: leave that out"
	case scheme == "postgres", scheme == "postgresql":
		return nil, "is a PostgreSQL address; Warble needs MySQL (Vitess)"
	case scheme == "mysql2":
		return nil, "begins with mysql2://, which Ruby reads: write mysql://"
	case scheme != "mysql":
		return nil, "is another product's address; Warble needs MySQL (Vitess)"
	case strings.ContainsAny(address, " \t\n\v\f\r\u00a0\u200b\ufeff"):
		return nil, "has white space in it"
	}
	u, err := url.Parse(address)
	if err != nil {
		return nil, "has a port that is no number, or a special character that is not percent-encoded"
	}
	if u.Hostname() == "" {
		return nil, "names no host"
	}
	port := u.Port()
	if port == "" {
		port = "3306"
	}
	config = mysql.NewConfig()
	config.User = u.User.Username()
	config.Passwd, _ = u.User.Password()
	config.Net, config.Addr = "tcp", net.JoinHostPort(u.Hostname(), port)
	config.DBName = strings.TrimPrefix(u.Path, "/")
	return config, ""
}

// parameterName is what may be shown of an address: it is no part of a password.
var parameterName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.-]{0,39}$`)

func parseDSN(address string) (config *mysql.Config, wrong string) {
	dsn := driverConfig(address)
	if dsn == nil {
		wrong = "is malformed"
		for at, c := range address {
			if c != '?' {
				continue
			}
			// The address without its parameters, which begin at one of the question marks.
			whole := driverConfig(address[:at])
			if whole == nil || whole.User == "" || whole.DBName == "" {
				continue
			}
			for parameter := range strings.SplitSeq(address[at+1:], "&") {
				name, _, _ := strings.Cut(parameter, "=")
				if driverConfig(address[:at+1]+parameter) == nil && parameterName.MatchString(name) {
					return nil, wrong + ": the driver refuses its parameter " + name
				}
			}
		}
		return nil, wrong
	}
	config = mysql.NewConfig()
	config.User, config.Passwd, config.Net, config.Addr, config.DBName = dsn.User, dsn.Passwd, dsn.Net, dsn.Addr, dsn.DBName
	return config, ""
}

// driverConfig is the driver's own reading of a DSN, nil where it refuses it. For the
// parameter strict it panics.
func driverConfig(dsn string) (config *mysql.Config) {
	defer func() { _ = recover() }()
	config, err := mysql.ParseDSN(dsn)
	if err != nil {
		return nil
	}
	return config
}

// local tells whether the database is on this machine, so that no network is between.
func local(config *mysql.Config) bool {
	if config.Net == "unix" {
		return true
	}
	host, _, err := net.SplitHostPort(config.Addr)
	return err == nil && (host == "localhost" || net.ParseIP(host).IsLoopback())
}
