# Lets `etcdctl` find this cluster. The key can be read by root and etcd alone.
export ETCDCTL_API=3
export ETCDCTL_ENDPOINTS=https://192.168.60.101:2379,https://192.168.60.102:2379,https://192.168.60.103:2379
export ETCDCTL_CACERT=/etc/pgbundle/ca.pem
export ETCDCTL_CERT=/etc/pgbundle/tls/etcd.pem
export ETCDCTL_KEY=/etc/pgbundle/tls/etcd.key
