#include "port.h"

#include <libserialport.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A ttyS node without a UART behind it: the kernel makes some at every start.
 * Its type in sysfs is PORT_UNKNOWN, 0; other ports have another or no type. */
static bool is_phantom(const char *name)
{
	const char *base = strrchr(name, '/');
	char path[PORT_NAME_MAX + 32];
	int type = -1;
	FILE *f;

	snprintf(path, sizeof path, "/sys/class/tty/%s/type", base ? base + 1 : name);
	f = fopen(path, "re");
	if (!f)
		return false;
	if (fscanf(f, "%d", &type) != 1)
		type = -1;
	fclose(f);
	return type == 0;
}

static void copy(char *to, size_t cap, const char *from)
{
	snprintf(to, cap, "%s", from ? from : "");
}

static const char *transport_name(enum sp_transport t)
{
	switch (t) {
	case SP_TRANSPORT_USB: return "usb";
	case SP_TRANSPORT_BLUETOOTH: return "bluetooth";
	default: return "native";
	}
}

static void describe(struct port_info *o, const struct sp_port *sp)
{
	enum sp_transport t = sp_get_port_transport(sp);

	memset(o, 0, sizeof *o);
	o->vid = o->pid = -1;
	copy(o->name, sizeof o->name, sp_get_port_name(sp));
	copy(o->description, sizeof o->description, sp_get_port_description(sp));
	copy(o->transport, sizeof o->transport, transport_name(t));
	if (t != SP_TRANSPORT_USB)
		return;
	if (sp_get_port_usb_vid_pid(sp, &o->vid, &o->pid) != SP_OK)
		o->vid = o->pid = -1;
	copy(o->manufacturer, sizeof o->manufacturer, sp_get_port_usb_manufacturer(sp));
	copy(o->product, sizeof o->product, sp_get_port_usb_product(sp));
	copy(o->serial, sizeof o->serial, sp_get_port_usb_serial(sp));
}

int port_list(struct port_info *out, size_t cap, struct esp_error *err)
{
	struct sp_port **list;
	enum sp_return rc = sp_list_ports(&list);
	size_t n = 0;

	/* Out of memory half way, libserialport says "ok" and gives no list. */
	if (rc == SP_ERR_MEM || (rc == SP_OK && !list))
		return esp_fail(err, ESP_E_NOMEM, "out of memory");
	/* Where there is no sysfs, as in some containers, no port can be listed; one
	 * that is named opens all the same. */
	if (rc != SP_OK && access("/sys/class/tty", F_OK) < 0)
		return 0;
	if (rc != SP_OK)
		return esp_fail(err, ESP_E_IO, "the list of serial ports cannot be read");
	for (size_t i = 0; list[i]; i++) {
		if (is_phantom(sp_get_port_name(list[i])))
			continue;
		if (n < cap)
			describe(&out[n], list[i]);
		n++;
	}
	sp_free_port_list(list);
	return (int)n;
}
