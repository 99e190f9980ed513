// A file system in memory that behaves as badly as a real one may: what was not synced is lost or
// torn at a power failure, in any combination; disks fill up, fail, and rot. All of it follows from
// a seed.
//
// What it models, and from where:
// - Data is lost in sectors of 512 bytes, in any subset of those written since the last sync.
// - A file's size is lost separately from its data; so are creates, renames and removes until their
//   directory is synced, in any subset.
// - After a failed sync the kernel takes the pages for clean: they still read back, a later sync
//   does not write them, and a power failure takes them away (https://lwn.net/Articles/752063/).
// - A rename from one directory to another is two changes, each durable with its own directory.
// With be_harsh() as well:
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
    // These change nothing; only fail() makes them fail.
    read,
    open,
    size,
};

/// What is to fail: operations of one kind on the files whose present names end so.
struct SimFault {
    SimOp op = SimOp::write;
    std::string ending;        ///< of the path; empty: of all files
    int errno_value = 0;       ///< of a read, 0: it is cut short
    std::uint64_t pass = 0;    ///< how many of them succeed first
    std::uint64_t times = 1;   ///< how many of them fail then; 0: all, until heal()
    std::uint64_t offset = 0;  ///< of a read or write: only those that touch these bytes
    std::uint64_t bytes = UINT64_MAX;
};

/// Thrown out of the operation at which the power fails. Destroy what uses the file system, then
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

    /// There is a directory "/state", empty.
    explicit SimFileSystem(std::uint64_t seed);
    ~SimFileSystem() override;

    // --- faults ---

    /// The n-th changing operation from now on (1: the next) throws SimCrash; 0: none does, nor
    /// does one that was to throw already.
    void crash_at(std::uint64_t operation) {
        crash_in_ = operation;
        crash_due_ = false;
    }

    /// Loses what was not durable, or a part of it. Locks are given up.
    void power_failure();

    /// The process died, the kernel goes on: nothing is lost. Locks are given up.
    void kill_process() { locks_.clear(); }

    /// The next operation of this kind fails. A write leaves a part of its bytes behind, a sync
    /// loses a part of what was not synced; others do nothing.
    void fail_next(SimOp op, int errno_value) { failures_[op] = errno_value; }

    /// No operation fails by fail_next() any more.
    void stop_failing() { failures_.clear(); }

    /// Operations fail as the fault says. A write leaves a part of its bytes behind.
    void fail(SimFault fault) { faults_.push_back(std::move(fault)); }

    /// Ends the faults of fail() and of make_unreadable().
    void heal();

    /// From now on sectors are written back early, and torn at a power failure.
    void be_harsh() { harsh_ = true; }

    /// Bytes that all files together may take.
    void set_capacity(std::uint64_t bytes) { capacity_ = bytes; }

    /// Every operation that creates or changes something fails with this.
    void set_read_only(int errno_value) { read_only_ = errno_value; }

    /// Every operation that creates or changes a file whose path ends so fails with this; no more
    /// of them with an empty ending.
    void refuse(const std::string& ending, int errno_value) {
        refused_ = ending;
        refused_errno_ = errno_value;
    }

    /// From now on no file can be opened or created: that fails with this; 0: it can.
    void refuse_opening(int errno_value) { opening_errno_ = errno_value; }

    /// No more files can be open at a time; opening another one fails with EMFILE.
    void set_descriptors(std::size_t count) { descriptors_ = count; }
    std::size_t open_files() const noexcept { return *open_files_; }

    /// Reads that touch these bytes fail with EIO.
    void make_unreadable(const std::string& path, std::uint64_t offset, std::uint64_t bytes);
    void make_readable(const std::string& path);

    // --- behind the back of the program ---

    std::vector<std::uint8_t> contents(const std::string& path) const;
    /// Changes bytes on the disk; makes the file longer if need be.
    void overwrite(const std::string& path, std::uint64_t offset,
                   std::span<const std::uint8_t> bytes);
    void flip_bit(const std::string& path, std::uint64_t offset, unsigned bit = 0);
    void cut(const std::string& path, std::uint64_t size);
    void copy(const std::string& from, const std::string& to);
    void drop(const std::string& path);
    std::vector<std::string> paths() const;

    /// Whether these bytes are in any file, in what reads back or on the disk below.
    bool holds(std::string_view bytes) const;

    /// All changing operations so far.
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

    /// A change of names that is not durable yet: name -> inode, or none.
    struct PendingChange {
        std::string directory;
        std::vector<std::pair<std::string, std::shared_ptr<Inode>>> names;
    };

    /// Counts a changing operation; gives the error it has to fail with. When the power is to fail
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
