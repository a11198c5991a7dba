-- Run once, on the node that initialised the cluster, before it serves.
-- PgBouncer looks up verifiers as a role of their own, which has no password:
-- only the operating system user postgres can log in as it (pg_ident.conf).
\set ON_ERROR_STOP 1
CREATE ROLE pgbouncer_lookup LOGIN NOINHERIT;

-- template1 first: databases created later carry the function from birth.
\connect template1
BEGIN;
CREATE SCHEMA pgbouncer AUTHORIZATION postgres;
REVOKE ALL ON SCHEMA pgbouncer FROM PUBLIC;
GRANT USAGE ON SCHEMA pgbouncer TO pgbouncer_lookup;
-- No verifier for a role whose VALID UNTIL has passed: PgBouncer does not look
-- at it, and would pass such a login through. None for the cluster's own roles:
-- pg_hba.conf keeps them to the nodes' addresses, which a pooler would hide.
CREATE FUNCTION pgbouncer.lookup(wanted text, OUT name text, OUT verifier text)
RETURNS SETOF record
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
AS $$
  SELECT rolname::text, rolpassword
  FROM pg_catalog.pg_authid
  WHERE rolname = wanted
    AND rolname NOT IN ('replicator', 'rewind', 'pgbouncer_lookup')
    AND rolcanlogin
    AND (rolvaliduntil IS NULL OR rolvaliduntil > pg_catalog.now())
$$;
ALTER FUNCTION pgbouncer.lookup(text) OWNER TO postgres;
REVOKE ALL ON FUNCTION pgbouncer.lookup(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgbouncer.lookup(text) TO pgbouncer_lookup;
COMMIT;

\connect postgres
BEGIN;
CREATE SCHEMA pgbouncer AUTHORIZATION postgres;
REVOKE ALL ON SCHEMA pgbouncer FROM PUBLIC;
GRANT USAGE ON SCHEMA pgbouncer TO pgbouncer_lookup;
-- No verifier for a role whose VALID UNTIL has passed: PgBouncer does not look
-- at it, and would pass such a login through. None for the cluster's own roles:
-- pg_hba.conf keeps them to the nodes' addresses, which a pooler would hide.
CREATE FUNCTION pgbouncer.lookup(wanted text, OUT name text, OUT verifier text)
RETURNS SETOF record
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = ''
AS $$
  SELECT rolname::text, rolpassword
  FROM pg_catalog.pg_authid
  WHERE rolname = wanted
    AND rolname NOT IN ('replicator', 'rewind', 'pgbouncer_lookup')
    AND rolcanlogin
    AND (rolvaliduntil IS NULL OR rolvaliduntil > pg_catalog.now())
$$;
ALTER FUNCTION pgbouncer.lookup(text) OWNER TO postgres;
REVOKE ALL ON FUNCTION pgbouncer.lookup(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION pgbouncer.lookup(text) TO pgbouncer_lookup;
COMMIT;
