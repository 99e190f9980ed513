// A file system in memory that behaves as badly as a real one may: data that was not synced is lost
// or torn at a power failure, in any combination; disks fill up, fail, and get damaged. Everything
// is determined by a seed.
//
// What it models, with sources:
// - Data is lost in sectors of 512 bytes, in any subset of those written since the last sync.
// - A file's size is lost separately from its data; so are creates, renames and removes until their
//   directory is synced, in any subset.
// - After a failed sync the kernel treats the pages as clean: they still read back, a later sync
//   does not write them, and a power failure loses them (https://lwn.net/Articles/752063/).
// - A rename from one directory to another is two changes, each durable with its own directory.
// Only with be_harsh():
// - The kernel writes sectors back between two syncs, in a version that is overwritten later.
// - Of a sector that was being written the changed bytes may be old, new or anything; bytes that
//   the write did not change keep their values.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "flowrelay/base/random.hpp"
#include "flowrelay/storage/file_system.hpp"

namespace flowrelay::test {

enum class SimOp {
    write,
    sync,
    allocate,
    truncate,
    create,
    rename,
    remove,
    sync_directory,
    mkdir,
    // These change nothing; only fail() can make them fail.
    read,
    open,
    size,
};

/// A fault: makes operations of one kind fail on files whose current path has this ending.
struct SimFault {
    SimOp op = SimOp::write;
    std::string ending;        ///< ending of the path; empty: all files
    int errno_value = 0;       ///< 0: a read is cut short
    std::uint64_t pass = 0;    ///< number of operations that succeed first
    std::uint64_t times = 1;   ///< number of operations that then fail; 0: all, until heal()
    std::uint64_t offset = 0;  ///< reads and writes: only those that touch these bytes
    std::uint64_t bytes = UINT64_MAX;
};

/// Thrown by the operation at which the power fails. Destroy all users of the file system, then
/// call power_failure().
struct SimCrash {};

struct SimOperation {
    SimOp op;
    std::string path;
    std::uint64_t offset = 0;
    std::uint64_t bytes = 0;
};

class SimFileSystem final : public storage::FileSystem {
public:
    static constexpr std::size_t sector_size = 512;

    /// Starts with an empty directory "/state".
    explicit SimFileSystem(std::uint64_t seed);
    ~SimFileSystem() override;

    // --- faults ---

    /// Makes the n-th changing operation from now on (1: the next) throw SimCrash; 0: none, and
    /// cancels a crash set before.
    void crash_at(std::uint64_t operation) {
        crash_in_ = operation;
        crash_due_ = false;
    }

    /// Loses all or part of what was not durable. Releases the locks.
    void power_failure();

    /// Kills the process while the kernel continues: nothing is lost. Releases the locks.
    void kill_process() { locks_.clear(); }

    /// Makes the next operation of this kind fail. A failing write leaves a part of its bytes, a
    /// failing sync loses a part of what was not synced; others do nothing.
    void fail_next(SimOp op, int errno_value) { failures_[op] = errno_value; }

    /// Cancels all fail_next().
    void stop_failing() { failures_.clear(); }

    /// Adds a fault. A failing write leaves a part of its bytes.
    void fail(SimFault fault) { faults_.push_back(std::move(fault)); }

    /// Ends the faults of fail() and of make_unreadable().
    void heal();

    /// From now on sectors are written back early, and torn at a power failure.
    void be_harsh() { harsh_ = true; }

    /// Sets how many bytes all files together may have.
    void set_capacity(std::uint64_t bytes) { capacity_ = bytes; }

    /// Makes every operation that creates or changes something fail with this error.
    void set_read_only(int errno_value) { read_only_ = errno_value; }

    /// Makes every operation fail that creates or changes a file whose path has this ending; an
    /// empty ending cancels this.
    void refuse(const std::string& ending, int errno_value) {
        refused_ = ending;
        refused_errno_ = errno_value;
    }

    /// Makes opening and creating files fail with this error; 0: cancels this.
    void refuse_opening(int errno_value) { opening_errno_ = errno_value; }

    /// Limits the number of open files; opening another one fails with EMFILE.
    void set_descriptors(std::size_t count) { descriptors_ = count; }
    std::size_t open_files() const noexcept { return *open_files_; }

    /// Makes reads that touch these bytes fail with EIO.
    void make_unreadable(const std::string& path, std::uint64_t offset, std::uint64_t bytes);
    void make_readable(const std::string& path);

    // --- behind the back of the program ---

    std::vector<std::uint8_t> contents(const std::string& path) const;
    /// Changes bytes on the disk; extends the file if necessary.
    void overwrite(const std::string& path, std::uint64_t offset,
                   std::span<const std::uint8_t> bytes);
    void flip_bit(const std::string& path, std::uint64_t offset, unsigned bit = 0);
    void cut(const std::string& path, std::uint64_t size);
    void copy(const std::string& from, const std::string& to);
    void drop(const std::string& path);
    std::vector<std::string> paths() const;

    /// Whether these bytes are in any file, as read back or on the disk.
    bool holds(std::string_view bytes) const;

    /// Returns all changing operations so far.
    const std::vector<SimOperation>& operations() const noexcept { return operations_; }

    // --- FileSystem ---

    Result<std::unique_ptr<storage::File>> create(const std::string& path) override;
    Result<std::unique_ptr<storage::File>> open(const std::string& path) override;
    Result<std::unique_ptr<storage::File>> open_read_only(const std::string& path) override;
    Result<void> rename(const std::string& from, const std::string& to) override;
    Result<void> remove(const std::string& path) override;
    Result<void> link(const std::string& from, const std::string& to) override;
    Result<void> sync_directory(const std::string& path) override;
    Result<void> make_directory(const std::string& path) override;
    Result<std::vector<std::string>> list(const std::string& path) override;
    Result<bool> exists(const std::string& path) override;
    Result<std::shared_ptr<void>> lock(const std::string& path) override;
    Result<std::optional<std::string>> lock_holder(const std::string& path) override;
    Result<std::uint64_t> free_space(const std::string& path) override;

private:
    struct Inode;
    class SimFile;
    using Entries = std::map<std::string, std::shared_ptr<Inode>>;

    /// A change of names that is not durable yet: name -> inode, or null.
    struct PendingChange {
        std::string directory;
        std::vector<std::pair<std::string, std::shared_ptr<Inode>>> names;
    };

    /// Counts a changing operation; returns the error it has to fail with. If the power is to fail
    /// at it, the operation calls crash_if_due() once its change is made but not durable.
    std::optional<int> begin(SimOp op, const std::string& path, std::uint64_t offset = 0,
                             std::uint64_t bytes = 0);
    void crash_if_due();
    std::optional<int> fault_of(SimOp op, const std::string& path, std::uint64_t offset = 0,
                                std::uint64_t bytes = 0);
    std::string name_of(const std::shared_ptr<Inode>& inode, const std::string& opened_as) const;
    void write_back(Inode& inode);
    void tear(Inode& inode, std::size_t sector);
    std::uint64_t used() const;
    void change(const std::string& directory,
                std::vector<std::pair<std::string, std::shared_ptr<Inode>>> names);
    static void apply(Entries& entries, const PendingChange& change);
    void lose_data(Inode& inode);
    Inode& at(const std::string& path) const;

    Random random_;
    Entries live_;
    Entries durable_;
    std::vector<PendingChange> pending_;
    std::map<SimOp, int> failures_;
    std::vector<SimFault> faults_;
    bool harsh_ = false;
    std::map<std::string, std::weak_ptr<void>> locks_;
    std::vector<SimOperation> operations_;
    std::uint64_t crash_in_ = 0;
    bool crash_due_ = false;
    std::uint64_t capacity_ = 1ULL << 40;
    int read_only_ = 0;
    std::string refused_;
    int refused_errno_ = 0;
    int opening_errno_ = 0;
    std::size_t descriptors_ = SIZE_MAX;
    std::shared_ptr<std::size_t> open_files_ = std::make_shared<std::size_t>(0);
};

}  // namespace flowrelay::test
