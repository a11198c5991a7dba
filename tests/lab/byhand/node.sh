#!/bin/sh
# A node of the same cluster as a person sets it up who is in a hurry: the same
# packages from a mirror nearby, no TLS, no passwords, nothing checked.
# @WORDS@ are filled in by byhand.rs.
set -eux
export DEBIAN_FRONTEND=noninteractive

cat >/etc/apt/sources.list <<E
deb [trusted=yes] @MIRROR@ pool/
E
mkdir -p /etc/postgresql-common
echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
chmod 0755 /usr/sbin/policy-rc.d
apt-get -q update
apt-get -q -y --no-install-recommends install @PACKAGES@
rm /usr/sbin/policy-rc.d

cat >/etc/default/etcd <<E
ETCD_NAME=@NAME@
ETCD_LISTEN_PEER_URLS=http://@ADDRESS@:2380
ETCD_LISTEN_CLIENT_URLS=http://@ADDRESS@:2379,http://127.0.0.1:2379
ETCD_INITIAL_ADVERTISE_PEER_URLS=http://@ADDRESS@:2380
ETCD_ADVERTISE_CLIENT_URLS=http://@ADDRESS@:2379
ETCD_INITIAL_CLUSTER=@MEMBERS@
ETCD_INITIAL_CLUSTER_STATE=new
E
systemctl restart --no-block etcd

cat >/etc/patroni/config.yml <<E
scope: byhand
name: @NAME@
restapi: {listen: '@ADDRESS@:8008', connect_address: '@ADDRESS@:8008'}
etcd3: {hosts: '@ENDPOINTS@'}
bootstrap:
  dcs:
    synchronous_mode: true
    postgresql: {use_pg_rewind: true, use_slots: true}
  initdb: [data-checksums, {encoding: UTF8}, {locale: C.UTF-8}]
  pg_hba: [local all all trust, host all all all trust, host replication all all trust]
postgresql:
  listen: '@ADDRESS@,127.0.0.1:5432'
  connect_address: '@ADDRESS@:5432'
  data_dir: /var/lib/postgresql/15/byhand
  bin_dir: /usr/lib/postgresql/15/bin
  authentication:
    superuser: {username: postgres}
    replication: {username: postgres}
  parameters: {unix_socket_directories: /var/run/postgresql, max_connections: 200}
E

cat >/etc/pgbouncer/pgbouncer.ini <<E
[databases]
* = host=127.0.0.1 user=postgres
[pgbouncer]
listen_addr = @ADDRESS@
listen_port = 6432
auth_type = any
pool_mode = session
E

cat >/etc/haproxy/haproxy.cfg <<E
global
    maxconn 1000
defaults
    mode tcp
    timeout connect 4s
    timeout client 30m
    timeout server 30m
    timeout check 3s
    default-server inter 2s fall 2 rise 1 on-marked-down shutdown-sessions check port 8008
listen primary
    bind *:5000
    option httpchk OPTIONS /primary
    http-check expect status 200
@SERVERS@
E

interface=$(ip -4 -o addr show | awk '/ @ADDRESS@\// { print $2 }')
cat >/etc/keepalived/keepalived.conf <<E
vrrp_instance byhand {
    state BACKUP
    interface $interface
    virtual_router_id 110
    priority @PRIORITY@
    advert_int 1
    virtual_ipaddress { @VIP@/24 }
}
E

# Debian's Patroni 3.0 cannot begin before etcd knows its version: it is started until it runs.
mkdir -p /etc/systemd/system/patroni.service.d
printf '[Service]\nRestart=always\nRestartSec=1\n' >/etc/systemd/system/patroni.service.d/restart.conf
systemctl daemon-reload
systemctl enable --quiet etcd patroni pgbouncer haproxy keepalived
systemctl restart --no-block patroni pgbouncer haproxy keepalived
