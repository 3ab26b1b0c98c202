#!/bin/sh
# Run once by the postgres image, when the volume is empty: the application owns its database and nothing else.
set -eu
# A name that psql would read as several words, or a password that a connection's address could not hold, ends here.
case "$WISEPAY_DATABASE" in *[!a-z0-9_]* | "") echo "WISEPAY_DATABASE: small letters, digits and _" >&2; exit 1 ;; esac
case "$WISEPAY_PASSWORD" in *[!A-Za-z0-9]* | "") echo "POSTGRES_PASSWORD: letters and digits only" >&2; exit 1 ;; esac
psql --no-psqlrc --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres <<SQL
CREATE ROLE $WISEPAY_DATABASE LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS
    PASSWORD '$WISEPAY_PASSWORD';
CREATE DATABASE $WISEPAY_DATABASE OWNER $WISEPAY_DATABASE;
REVOKE ALL ON DATABASE $WISEPAY_DATABASE FROM PUBLIC;
SQL
