/*
 * The user's FPU, SSE and AVX registers, kept by XSAVE where the processor has it, else by FXSAVE. The kernel itself uses none, so they are
 * saved only at a switch, at fork and for signal frames. Source: SDM vol. 1, chapters 10.5 and 13.
 */
#include "kernel/cpu.h"
#include "kernel/string.h"
#include "kernel/usermode.h"
#include "mm/slab.h"
#include "mm/usercopy.h"

#define LEGACY_SIZE 512			/* FXSAVE image; the XSAVE header comes after it */
#define SW_BYTES 464			/* its bytes for software: the processor leaves them alone */
#define MXCSR_BYTES 24			/* where MXCSR is in it */
#define MXCSR_RESERVED 0xffff0000U

static size_t area_size(void)
{
	return cpu_features.xsave ? max(cpu_features.xsave_size, 576U) : 512;
}

/* As FNINIT and reset leave the registers, in an area of zeroes. */
static void set_initial(u8 *area)
{
	*(u16 *)area = 0x37f;			/* x87 control word */
	*(u32 *)(area + MXCSR_BYTES) = 0x1f80;	/* all exceptions masked */
	if (cpu_features.xsave)
		*(u64 *)(area + LEGACY_SIZE) = 3;	/* XSTATE_BV: x87 and SSE are in the area, AVX in its initial state */
}

void *fpu_alloc(void)
{
	u8 *area = kzalloc(area_size());	/* 64-byte aligned: mm/slab.h */

	if (area)
		set_initial(area);
	return area;
}

void fpu_free(void *area) { kfree(area); }

void fpu_reset(void)
{
	preempt_disable();		/* nobody saves registers in the area meanwhile */
	memset(current->fpu, 0, area_size());
	set_initial(current->fpu);
	fpu_restore(current->fpu);
	preempt_enable();
}

/* --- the image in a signal frame: an area, and the marks that tell programs what is in it --- */

/* What XSAVE leaves alone between its legacy part and the rest: the marks, and a header for it to complete. The same in all images: fpu_init(). */
static struct image_middle {
	struct _fpx_sw_bytes sw;
	u64 header[8];
} image_middle;
static size_t image_size = LEGACY_SIZE;

size_t fpu_image_size(void) { return image_size; }

void fpu_init(void)
{
	if (!cpu_features.xsave)
		return;
	image_size = cpu_features.xsave_size + FP_XSTATE_MAGIC2_SIZE;
	image_middle.sw.magic1 = FP_XSTATE_MAGIC1;
	image_middle.sw.extended_size = (u32)image_size;
	image_middle.sw.xfeatures = cpu_features.xcr0;
	image_middle.sw.xstate_size = cpu_features.xsave_size;
}

int fpu_save_image(void __user *image)
{
	static const u32 magic2 = FP_XSTATE_MAGIC2;
	u8 __user *p = image;

	if (unlikely(user_range(image, image_size) < image_size))
		return -EFAULT;
	if (unlikely(!cpu_features.xsave)) {
		fpu_save(current->fpu);
		return copy_to_user(p, current->fpu, LEGACY_SIZE) ? -EFAULT : 0;
	}
	if (copy_to_user(p + SW_BYTES, &image_middle, sizeof(image_middle)) || copy_to_user(p + image_size - sizeof(magic2), &magic2, sizeof(magic2)))
		return -EFAULT;
	/* The registers themselves: one instruction, where a copy of the task's area is 100. */
	return access_fails() ? -EFAULT : raw_xsave_user(p, (u32)cpu_features.xcr0);
}

/* Does it have the marks of a whole image? Of another one only the legacy part counts. */
static bool image_whole(const u8 __user *p)
{
	struct _fpx_sw_bytes sw;
	u32 magic2;

	if (!cpu_features.xsave || user_range(p, image_size) < image_size || copy_from_user(&sw, p + SW_BYTES, offsetof(struct _fpx_sw_bytes, padding)))
		return false;
	return sw.magic1 == FP_XSTATE_MAGIC1 && sw.xstate_size == cpu_features.xsave_size && sw.extended_size >= image_size &&
	       !copy_from_user(&magic2, p + sw.xstate_size, sizeof(magic2)) && magic2 == FP_XSTATE_MAGIC2;
}

/* Load the legacy part of an image, the rest is initial; or all initial. */
static int load_legacy(const void __user *image)
{
	u8 *area = fpu_alloc(), *old;
	int r = -ENOMEM;

	if (!area)
		return -ENOMEM;
	if (image) {
		r = -EFAULT;
		if (copy_from_user(area, image, SW_BYTES) || *(u32 *)(area + MXCSR_BYTES) & MXCSR_RESERVED)
			goto out;
	}
	preempt_disable();
	old = current->fpu;
	current->fpu = area;
	fpu_restore(area);
	preempt_enable();
	area = old;
	r = 0;
out:
	fpu_free(area);
	return r;
}

int fpu_load_image(const void __user *image)
{
	u32 mxcsr;
	int r;

	if (likely(image && image_whole(image))) {
		r = access_fails() ? -EFAULT : raw_xrstor_user(image, (u32)cpu_features.xcr0);
		/* The processor refuses an image with a bad MXCSR, but TCG loads it: 4 bytes to look at now, not on the way. */
		__asm__ volatile("stmxcsr %0" : "=m"(mxcsr));
		if (unlikely(mxcsr & MXCSR_RESERVED))
			r = -EFAULT;
	} else {
		r = load_legacy(image);
	}
	if (unlikely(r))
		fpu_reset();
	return r;
}
