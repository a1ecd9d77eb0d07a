/* Lets Debian's whip-client speak to a server on the loopback of its own machine.
 *
 * Loaded before its libraries and in the place of libgupnp-igd-1.0.so.4: the real one brings
 * libsoup 3 along, which ends the process because the client itself stands on libsoup 2. UPnP is
 * not needed here. And libnice ties its sockets to the interface of each address, from where
 * nothing reaches the loopback. */

#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#define G_TYPE_OBJECT (20UL << 2)

void *gupnp_simple_igd_thread_new(void) { return 0; }
unsigned long gupnp_simple_igd_get_type(void) { return G_TYPE_OBJECT; }
void gupnp_simple_igd_add_port(void) {}
void gupnp_simple_igd_remove_port_local(void) {}

int setsockopt(int socket, int level, int name, const void *value, socklen_t length) {
  if (level == IPPROTO_IP && name == IP_UNICAST_IF) return 0;
  return (int)syscall(SYS_setsockopt, socket, level, name, value, length);
}
