/* Extended attributes: no file has any, and none can be set. */
#include "fs/internal.h"

#include "fs/syscalls.h"
#include "kernel/string.h"
#include "mm/usercopy.h"

#define XATTR_NAME_MAX 255
#define XATTR_SIZE_MAX 65536

/* 0: a name of a known kind, that no file has. */
static int check_name(const char __user *name)
{
	static const char *const kinds[] = { "user.", "trusted.", "security.", "system." };
	char text[XATTR_NAME_MAX + 1];
	ssize_t n = strncpy_from_user(text, name, sizeof(text));

	if (n == -ENAMETOOLONG || n == 0)
		return -ERANGE;
	if (n < 0)
		return (int)n;
	for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
		if (!strncmp(text, kinds[i], strlen(kinds[i])))
			return 0;
	return -EOPNOTSUPP;
}

/* 0; EOPNOTSUPP: a file system that could not even have them (/proc). */
static int check_path(const char __user *path, u32 lookup)
{
	struct path p;
	int error = path_lookup_user(AT_FDCWD, path, lookup, &p);

	if (error)
		return error;
	error = p.dentry->sb->uncached ? -EOPNOTSUPP : 0;
	path_put(&p);
	return error;
}

static int check_fd(int fd)
{
	struct file *file = fd_get_file(fd);
	int error;

	if (!file)
		return -EBADF;
	error = file->inode->sb->uncached ? -EOPNOTSUPP : 0;
	file_put(file);
	return error;
}

static long answer(int target_error, const char __user *name)
{
	int error = target_error ? target_error : check_name(name);

	return error ? error : -ENODATA;
}

static long answer_set(int target_error, const char __user *name, size_t size, int flags)
{
	int error = flags & ~3 ? -EINVAL : check_name(name);

	if (!error && size > XATTR_SIZE_MAX)
		error = -E2BIG;
	if (!error)
		error = target_error;
	return error ? error : -EOPNOTSUPP;
}

long sys_getxattr(const char __user *path, const char __user *name, void __user *value, size_t size) { return answer(check_path(path, LOOKUP_FOLLOW), name); }
long sys_lgetxattr(const char __user *path, const char __user *name, void __user *value, size_t size) { return answer(check_path(path, 0), name); }
long sys_fgetxattr(int fd, const char __user *name, void __user *value, size_t size) { return answer(check_fd(fd), name); }
long sys_removexattr(const char __user *path, const char __user *name) { return answer(check_path(path, LOOKUP_FOLLOW), name); }
long sys_lremovexattr(const char __user *path, const char __user *name) { return answer(check_path(path, 0), name); }
long sys_fremovexattr(int fd, const char __user *name) { return answer(check_fd(fd), name); }
/* An empty list, also where there could be nothing. */
static long answer_list(int target_error) { return target_error == -EOPNOTSUPP ? 0 : target_error; }
long sys_listxattr(const char __user *path, char __user *list, size_t size) { return answer_list(check_path(path, LOOKUP_FOLLOW)); }
long sys_llistxattr(const char __user *path, char __user *list, size_t size) { return answer_list(check_path(path, 0)); }
long sys_flistxattr(int fd, char __user *list, size_t size) { return answer_list(check_fd(fd)); }

long sys_setxattr(const char __user *path, const char __user *name, const void __user *value, size_t size, int flags)
{
	return answer_set(check_path(path, LOOKUP_FOLLOW), name, size, flags);
}

long sys_lsetxattr(const char __user *path, const char __user *name, const void __user *value, size_t size, int flags)
{
	return answer_set(check_path(path, 0), name, size, flags);
}

long sys_fsetxattr(int fd, const char __user *name, const void __user *value, size_t size, int flags)
{
	return answer_set(check_fd(fd), name, size, flags);
}
