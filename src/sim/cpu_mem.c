/* cpu_mem.c - the slow half of memory: page tables, devices, decoded code.
 *
 * cpu_exec.c comes here when its page tables have no answer. An access that
 * memory can serve without further ado is entered into them on the way.
 */
#include "cpu_core.h"
#include "cpu_ops.h"

#include "../bytes.h"

#include <string.h>
#include <sys/mman.h>

static const uint8_t access_width[] = {
	[CPU_ACC_8] = 1, [CPU_ACC_16] = 2, [CPU_ACC_16S] = 2, [CPU_ACC_32] = 4,
};

static const struct bus_region *region_at(const struct bus *bus, uint32_t addr)
{
	for (size_t i = 0; i < bus->regions; i++)
		if (addr - bus->region[i].base < bus->region[i].size)
			return &bus->region[i];
	return NULL;
}

static bool holds_whole_page(const struct bus_region *r, uint32_t page)
{
	return page >= r->base && r->size - (page - r->base) >= 1u << CPU_PAGE_BITS;
}

static void tlb_clear(struct cpu_tlb *tlb)
{
	for (size_t i = 0; i < CPU_TLB_SIZE; i++)
		tlb[i] = (struct cpu_tlb){ CPU_TLB_NONE, CPU_TLB_NONE, 0 };
}

/* Enters the page of addr. What the region does not allow stays out. */
static void tlb_fill(struct cpu_tlb *tlb, const struct bus_region *r, uint32_t addr,
		     unsigned narrow_right)
{
	uint32_t page = addr & CPU_PAGE_MASK;
	struct cpu_tlb *e = &tlb[page >> CPU_PAGE_BITS & (CPU_TLB_SIZE - 1)];

	if (!holds_whole_page(r, page))
		return;
	e->tag32 = page;
	e->tag_narrow = r->access & narrow_right ? page : CPU_TLB_NONE;
	e->host = (uintptr_t)r->mem - r->base;
}

static uint32_t extract(const uint8_t *p, enum cpu_access kind)
{
	switch (kind) {
	case CPU_ACC_8: return *p;
	case CPU_ACC_16: return get_le16(p);
	case CPU_ACC_16S: return (uint32_t)(int16_t)get_le16(p);
	default: return get_le32(p);
	}
}

/* A register is always read whole; a narrow load takes its part of it. */
static int io_load(struct cpu *c, uint32_t addr, enum cpu_access kind, uint32_t *value)
{
	uint32_t whole = 0;
	uint8_t part[4];
	int cause = c->bus->io_read(c->bus->io, addr & ~3u, &whole);

	put_le32(part, whole);
	*value = extract(part + (addr & 3), kind);
	return cause;
}

int cpu_load(struct cpu *c, uint32_t addr, enum cpu_access kind, uint32_t *value)
{
	const struct bus_region *r = region_at(c->bus, addr);

	if (addr & (access_width[kind] - 1u))
		return CPU_CAUSE_ALIGNMENT;
	if (!r)
		return io_load(c, addr, kind, value);
	if (kind != CPU_ACC_32 && !(r->access & BUS_LOAD_NARROW))
		return CPU_CAUSE_LOAD_STORE;
	tlb_fill(c->priv->load, r, addr, BUS_LOAD_NARROW);
	*value = extract(r->mem + (addr - r->base), kind);
	return 0;
}

/* Registers take whole words only. The first 512 MiB have no attribute that
 * allows access at all (memory map), which goes before the width. */
static int io_store(struct cpu *c, uint32_t addr, enum cpu_access kind, uint32_t value)
{
	if (kind == CPU_ACC_32)
		return c->bus->io_write(c->bus->io, addr, value);
	return addr < 0x20000000 ? CPU_CAUSE_STORE_PROHIBITED : CPU_CAUSE_LOAD_STORE;
}

static void invalidate(struct cpu_code *code, uint32_t addr, uint32_t size)
{
	/* An instruction of 3 bytes may start up to 2 before addr. */
	int64_t from = (int64_t)addr - code->base - 2;
	int64_t to = (int64_t)addr - code->base + size;

	if (from < 0)
		from = 0;
	if (to > code->size)
		to = code->size;
	for (; from < to; from++)
		if (code->insn[from].op != CPU_OP_UNDECODED)
			code->insn[from].op = CPU_OP_UNDECODED;
}

void cpu_flush_range(struct cpu *c, uint32_t addr, uint32_t size)
{
	for (size_t i = 0; i < c->priv->codes; i++)
		invalidate(&c->priv->code[i], addr, size);
}

int cpu_store(struct cpu *c, uint32_t addr, enum cpu_access kind, uint32_t value)
{
	const struct bus_region *r = region_at(c->bus, addr);
	unsigned right = kind == CPU_ACC_32 ? BUS_STORE : BUS_STORE_NARROW;
	uint8_t bytes[4];

	if (addr & (access_width[kind] - 1u))
		return CPU_CAUSE_ALIGNMENT;
	if (!r)
		return io_store(c, addr, kind, value);
	if (!(r->access & right))
		return CPU_CAUSE_LOAD_STORE;
	if (c->priv->poll.active)
		cpu_poll_note(c->priv, r->mem + ((addr - r->base) & ~3u));
	put_le32(bytes, value);
	memcpy(r->mem + (addr - r->base), bytes, access_width[kind]);
	/* Code stays out of the page table, so that every store to it is seen. */
	if (r->access & BUS_FETCH)
		cpu_flush_range(c, addr, access_width[kind]);
	else
		tlb_fill(c->priv->store, r, addr, BUS_STORE_NARROW);
	return 0;
}

const struct cpu_code *cpu_code_at(const struct cpu_core *core, uint32_t pc)
{
	for (size_t i = 0; i < core->codes; i++)
		if (pc - core->code[i].base < core->code[i].size)
			return &core->code[i];
	return NULL;
}

bool cpu_fill(struct cpu *c, const struct cpu_code *code, uint32_t pc, uint32_t *fault)
{
	uint32_t w = 0;

	for (uint32_t i = 0, length = 2; i < length; i++) {
		const struct bus_region *r = region_at(c->bus, pc + i);

		*fault = pc + i;
		if (!r || !(r->access & BUS_FETCH))
			return false;
		w |= (uint32_t)r->mem[pc + i - r->base] << 8 * i;
		if (i == 0 && !(w & 8))
			length = 3;
	}
	code->insn[pc - code->base] = cpu_decode(w, pc);
	return true;
}

static size_t code_bytes(const struct cpu_code *code)
{
	return ((size_t)code->size + CPU_CODE_TAIL) * sizeof *code->insn;
}

static void code_unmap(struct cpu_core *core)
{
	while (core->codes > 0) {
		struct cpu_code *code = &core->code[--core->codes];

		munmap(code->insn, code_bytes(code));
	}
}

/* One mapping per region that can be executed. False when memory ran out;
 * the regions left out cannot be executed then. */
static bool code_map(struct cpu *c)
{
	struct cpu_core *core = c->priv;
	bool all = true;

	for (size_t i = 0; i < c->bus->regions; i++) {
		const struct bus_region *r = &c->bus->region[i];
		struct cpu_code *code = &core->code[core->codes];

		if (!(r->access & BUS_FETCH))
			continue;
		*code = (struct cpu_code){ .base = r->base, .size = r->size };
		code->insn = mmap(NULL, code_bytes(code), PROT_READ | PROT_WRITE,
				  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (code->insn == MAP_FAILED)
			all = false;
		else
			core->codes++;
	}
	return all;
}

/* True when the code mappings are still those of the bus's regions. */
static bool code_fits(const struct cpu *c)
{
	const struct cpu_core *core = c->priv;
	size_t n = 0;

	for (size_t i = 0; i < c->bus->regions; i++) {
		const struct bus_region *r = &c->bus->region[i];

		if (!(r->access & BUS_FETCH))
			continue;
		if (n == core->codes || core->code[n].base != r->base ||
		    core->code[n].size != r->size)
			return false;
		n++;
	}
	return n == core->codes;
}

/* Anonymous pages given back read as zero: not decoded. */
static bool code_forget(struct cpu_core *core)
{
	for (size_t i = 0; i < core->codes; i++)
		if (madvise(core->code[i].insn, code_bytes(&core->code[i]), MADV_DONTNEED) != 0)
			return false;
	return true;
}

void cpu_flush(struct cpu *c)
{
	tlb_clear(c->priv->load);
	tlb_clear(c->priv->store);
	c->priv->attention = true;
	c->priv->poll.impure = true;
	if (code_fits(c) && code_forget(c->priv))
		return;
	code_unmap(c->priv);
	code_map(c);
}

int cpu_mem_open(struct cpu *c)
{
	tlb_clear(c->priv->load);
	tlb_clear(c->priv->store);
	tlb_clear(c->priv->none);
	return code_map(c) ? 0 : -1;
}

void cpu_mem_close(struct cpu *c)
{
	code_unmap(c->priv);
}
