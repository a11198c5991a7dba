# Lets `patronictl` find this cluster. The passwords can be read by root and postgres alone.
export PATRONICTL_CONFIG_FILE=/etc/patroni/conf.d
