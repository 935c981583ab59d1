/*
 * The user's FPU, SSE and AVX registers, kept by XSAVE where the processor has it, else by FXSAVE. The kernel itself uses none, so they are
 * saved only at a switch, at fork and for signal frames. Source: SDM vol. 1, chapters 10.5 and 13.
 */
#include "kernel/cpu.h"
#include "kernel/string.h"
#include "kernel/usermode.h"
#include "mm/slab.h"

#define SW_BYTES 464		/* reserved for software: the processor leaves them alone */

static size_t area_size(void)
{
	return cpu_features.xsave ? max(cpu_features.xsave_size, 576U) : 512;
}

size_t fpu_image_size(void)
{
	return cpu_features.xsave ? cpu_features.xsave_size + FP_XSTATE_MAGIC2_SIZE : 512;
}

void fpu_mark(void *area)
{
	struct _fpx_sw_bytes sw = { 0 };
	u32 magic2 = FP_XSTATE_MAGIC2;

	if (cpu_features.xsave) {
		sw.magic1 = FP_XSTATE_MAGIC1;
		sw.extended_size = (u32)fpu_image_size();
		sw.xfeatures = cpu_features.xcr0;
		sw.xstate_size = cpu_features.xsave_size;
		memcpy((u8 *)area + cpu_features.xsave_size, &magic2, sizeof(magic2));
	}
	memcpy((u8 *)area + SW_BYTES, &sw, sizeof(sw));
}

void *fpu_alloc(void)
{
	u8 *area = kzalloc(area_size() + FP_XSTATE_MAGIC2_SIZE);	/* 64-byte aligned: mm/slab.h */

	if (!area)
		return NULL;
	fpu_mark(area);
	*(u16 *)area = 0x37f;			/* x87 control word: as FNINIT leaves it */
	*(u32 *)(area + 24) = 0x1f80;		/* MXCSR: all exceptions masked */
	if (cpu_features.xsave)
		*(u64 *)(area + 512) = 3;	/* XSTATE_BV: x87 and SSE are in the area, AVX in its initial state */
	return area;
}

void fpu_free(void *area) { kfree(area); }

void fpu_save(void *area)
{
	if (cpu_features.xsave)
		__asm__ volatile("xsave64 (%0)" :: "r"(area), "a"((u32)cpu_features.xcr0), "d"(0) : "memory");
	else
		__asm__ volatile("fxsave64 (%0)" :: "r"(area) : "memory");
}

void fpu_restore(const void *area)
{
	if (cpu_features.xsave)
		__asm__ volatile("xrstor64 (%0)" :: "r"(area), "a"((u32)cpu_features.xcr0), "d"(0) : "memory");
	else
		__asm__ volatile("fxrstor64 (%0)" :: "r"(area) : "memory");
}
