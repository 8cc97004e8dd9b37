module warble

go 1.26.0

toolchain go1.26.8

require (
	github.com/clerk/clerk-sdk-go/v2 v2.7.0
	github.com/go-sql-driver/mysql v1.10.1
	github.com/jmoiron/sqlx v1.4.0
	github.com/vercel/go-bridge v0.0.0-20221108222652-296f4c6bdb6d
)

require (
	filippo.io/edwards25519 v1.2.0 // indirect
	github.com/aws/aws-lambda-go v1.55.1 // indirect
	github.com/go-jose/go-jose/v3 v3.0.4 // indirect
	golang.org/x/crypto v0.43.0 // indirect
)
