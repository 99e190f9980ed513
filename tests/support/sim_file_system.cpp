#include "support/sim_file_system.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <stdexcept>

namespace flowrelay::test {

namespace {

std::string parent(const std::string& path) {
    const auto slash = path.rfind('/');
    return slash == 0 || slash == std::string::npos ? "/" : path.substr(0, slash);
}

}  // namespace

struct SimFileSystem::Inode {
    bool directory = false;
    std::vector<std::uint8_t> cache;  // what reads return
    std::vector<std::uint8_t> disk;   // what is left after a power failure
    std::set<std::size_t> dirty;      // sectors written since the last sync
    bool size_dirty = false;
    std::vector<std::pair<std::uint64_t, std::uint64_t>> unreadable;

    void persist(std::size_t sector) {
        const std::size_t begin = sector * sector_size;
        const std::size_t end = std::min({begin + sector_size, cache.size(), disk.size()});
        if (begin < end) std::memcpy(disk.data() + begin, cache.data() + begin, end - begin);
    }
    void persist_all() {
        disk.resize(cache.size());
        size_dirty = false;
        for (const std::size_t sector : dirty) persist(sector);
        dirty.clear();
    }
    void resize(std::uint64_t size) {
        if (size == cache.size()) return;
        // Bytes that were cut off and come back are zero, which must still be written to the disk.
        const std::size_t stale = std::min<std::size_t>(size, disk.size());
        for (std::size_t s = cache.size() / sector_size; s * sector_size < stale; ++s) {
            dirty.insert(s);
        }
        cache.resize(size);
        size_dirty = true;
    }
    void write(std::uint64_t offset, std::span<const std::uint8_t> bytes) {
        if (bytes.empty()) return;
        if (offset + bytes.size() > cache.size()) resize(offset + bytes.size());
        std::copy_n(bytes.data(), bytes.size(), cache.data() + offset);
        for (auto s = offset / sector_size; s <= (offset + bytes.size() - 1) / sector_size; ++s) {
            dirty.insert(s);
        }
    }
};

class SimFileSystem::SimFile final : public storage::File {
public:
    SimFile(SimFileSystem& fs, std::shared_ptr<Inode> inode, std::string path)
        : fs_(fs), inode_(std::move(inode)), path_(std::move(path)), count_(fs.open_files_) {
        ++*count_;
    }
    SimFile(const SimFile&) = delete;
    SimFile& operator=(const SimFile&) = delete;
    ~SimFile() override { --*count_; }

    Result<void> write_at(std::uint64_t offset, std::span<const std::uint8_t> bytes) override {
        const auto error = fs_.begin(SimOp::write, name(), offset, bytes.size());
        fs_.write_back(*inode_);
        const std::uint64_t size = inode_->cache.size();
        const std::uint64_t end = offset + bytes.size();
        const std::uint64_t more = end > size ? end - size : 0;
        const std::uint64_t room = fs_.capacity_ - std::min(fs_.capacity_, fs_.used());
        if (error || more > room) {
            const std::uint64_t part =
                error ? fs_.random_.below(bytes.size() + 1)
                      : bytes.size() - std::min<std::uint64_t>(bytes.size(), more - room);
            inode_->write(offset, bytes.first(part));
            fs_.crash_if_due();
            return system_error(error.value_or(ENOSPC), "write to", path_);
        }
        inode_->write(offset, bytes);
        fs_.crash_if_due();
        return {};
    }

    Result<std::size_t> read_at(std::uint64_t offset, std::span<std::uint8_t> out) override {
        for (const auto& [begin, length] : inode_->unreadable) {
            if (offset < begin + length && begin < offset + out.size()) {
                return system_error(EIO, "read", path_);
            }
        }
        if (const auto error = fs_.fault_of(SimOp::read, name(), offset, out.size())) {
            if (*error != 0) return system_error(*error, "read", path_);
            out = out.first(fs_.random_.below(out.size()));
        }
        if (offset >= inode_->cache.size()) return std::size_t{0};
        const std::size_t n = std::min<std::size_t>(out.size(), inode_->cache.size() - offset);
        std::copy_n(inode_->cache.data() + offset, n, out.data());
        return n;
    }

    Result<void> sync() override {
        const auto error = fs_.begin(SimOp::sync, name());
        if (error) {
            fs_.lose_data(*inode_);
            return system_error(*error, "sync", path_);
        }
        // The power may fail with any part of the sync done.
        fs_.crash_if_due();
        inode_->persist_all();
        return {};
    }

    Result<void> allocate(std::uint64_t size) override {
        const auto error = fs_.begin(SimOp::allocate, name(), 0, size);
        if (error) return system_error(*error, "allocate space for", path_);
        if (size > inode_->cache.size()) {
            if (fs_.used() + size - inode_->cache.size() > fs_.capacity_) {
                return system_error(ENOSPC, "allocate space for", path_);
            }
            inode_->resize(size);
        }
        fs_.crash_if_due();
        return {};
    }

    Result<void> truncate(std::uint64_t size) override {
        if (const auto error = fs_.begin(SimOp::truncate, name(), 0, size)) {
            return system_error(*error, "truncate", path_);
        }
        inode_->resize(size);
        fs_.crash_if_due();
        return {};
    }

    Result<std::uint64_t> size() override {
        if (const auto error = fs_.fault_of(SimOp::size, name())) {
            return system_error(*error, "look at", path_);
        }
        return std::uint64_t{inode_->cache.size()};
    }

private:
    std::string name() const { return fs_.name_of(inode_, path_); }

    SimFileSystem& fs_;
    std::shared_ptr<Inode> inode_;
    std::string path_;
    std::shared_ptr<std::size_t> count_;  ///< number of open files; may outlive the file system
};

SimFileSystem::SimFileSystem(std::uint64_t seed) : random_(seed) {
    for (const char* path : {"/", "/state"}) {
        auto inode = std::make_shared<Inode>();
        inode->directory = true;
        live_[path] = durable_[path] = inode;
    }
}

SimFileSystem::~SimFileSystem() = default;

// --- faults --------------------------------------------------------------------------------------

std::optional<int> SimFileSystem::begin(SimOp op, const std::string& path, std::uint64_t offset,
                                        std::uint64_t bytes) {
    operations_.push_back({op, path, offset, bytes});
    if (crash_in_ > 0 && --crash_in_ == 0) crash_due_ = true;
    if (read_only_ != 0) return read_only_;
    if (const auto error = fault_of(op, path, offset, bytes)) return error;
    if (!refused_.empty() && path.ends_with(refused_)) return refused_errno_;
    const auto failure = failures_.find(op);
    if (failure == failures_.end()) return std::nullopt;
    const int error = failure->second;
    failures_.erase(failure);
    return error;
}

void SimFileSystem::crash_if_due() {
    if (crash_due_) throw SimCrash();
}

std::optional<int> SimFileSystem::fault_of(SimOp op, const std::string& path, std::uint64_t offset,
                                           std::uint64_t bytes) {
    for (auto fault = faults_.begin(); fault != faults_.end(); ++fault) {
        if (fault->op != op || !path.ends_with(fault->ending)) continue;
        const bool touched = fault->offset < offset + std::max<std::uint64_t>(bytes, 1) &&
                             (offset < fault->offset || offset - fault->offset < fault->bytes);
        if (!touched) continue;
        if (fault->pass > 0) {
            --fault->pass;
            continue;
        }
        const int error = fault->errno_value;
        if (fault->times == 1) {
            faults_.erase(fault);
        } else if (fault->times > 1) {
            --fault->times;
        }
        return error;
    }
    return std::nullopt;
}

void SimFileSystem::heal() {
    faults_.clear();
    for (const auto& [path, inode] : live_) inode->unreadable.clear();
}

/// Returns the current name of an open file, which may have been renamed.
std::string SimFileSystem::name_of(const std::shared_ptr<Inode>& inode,
                                   const std::string& opened_as) const {
    if (faults_.empty()) return opened_as;
    for (const auto& [path, there] : live_) {
        if (there == inode) return path;
    }
    return opened_as;
}

/// Simulates write-back by the kernel: some sectors reach the disk and are clean then.
void SimFileSystem::write_back(Inode& inode) {
    if (!harsh_ || inode.dirty.empty() || !random_.chance(0.1)) return;
    if (inode.size_dirty) {
        inode.disk.resize(inode.cache.size());
        inode.size_dirty = false;
    }
    std::erase_if(inode.dirty, [&](std::size_t sector) {
        const bool written = random_.chance(0.5);
        if (written) inode.persist(sector);
        return written;
    });
}

/// Simulates a power failure while this sector was written. Bytes that the write did not change
/// keep their values.
void SimFileSystem::tear(Inode& inode, std::size_t sector) {
    const std::size_t begin = sector * sector_size;
    const std::size_t end = std::min({begin + sector_size, inode.cache.size(), inode.disk.size()});
    const std::size_t reached = begin + random_.below(sector_size);
    for (std::size_t at = begin; at < end; ++at) {
        if (inode.disk[at] == inode.cache[at]) continue;
        if (at < reached) {
            inode.disk[at] = inode.cache[at];
        } else if (random_.chance(0.3)) {
            inode.disk[at] = static_cast<std::uint8_t>(random_.below(256));
        }
    }
}

/// Makes a part of the non-durable data durable, and marks the rest as clean.
void SimFileSystem::lose_data(Inode& inode) {
    const std::uint64_t luck = random_.below(5);  // 0: nothing survives, 4: everything
    const auto survives = [&] { return luck == 4 || (luck > 0 && random_.below(4) < luck); };
    if (inode.size_dirty && survives()) inode.disk.resize(inode.cache.size());
    inode.size_dirty = false;
    for (const std::size_t sector : inode.dirty) {
        if (survives()) {
            inode.persist(sector);
        } else if (harsh_ && luck > 0 && random_.chance(0.1)) {
            tear(inode, sector);
        }
    }
    inode.dirty.clear();
}

void SimFileSystem::power_failure() {
    crash_in_ = 0;
    crash_due_ = false;
    locks_.clear();
    const std::uint64_t luck = random_.below(4);  // 0: nothing, 1: a prefix, 2: a subset, 3: all
    std::size_t kept = luck == 3 ? pending_.size() : 0;
    if (luck == 1) kept = random_.below(pending_.size() + 1);
    for (std::size_t i = 0; i < pending_.size(); ++i) {
        if (i < kept || (luck == 2 && random_.chance(0.5))) apply(durable_, pending_[i]);
    }
    pending_.clear();
    for (const auto& [path, inode] : live_) lose_data(*inode);
    for (const auto& [path, inode] : durable_) {
        lose_data(*inode);
        inode->cache = inode->disk;
    }
    // The contents of a removed directory are gone with it.
    std::erase_if(durable_,
                  [this](const auto& entry) { return !durable_.contains(parent(entry.first)); });
    live_ = durable_;
}

void SimFileSystem::make_unreadable(const std::string& path, std::uint64_t offset,
                                    std::uint64_t bytes) {
    at(path).unreadable.emplace_back(offset, bytes);
}

void SimFileSystem::make_readable(const std::string& path) {
    at(path).unreadable.clear();
}

// --- behind the back
// -------------------------------------------------------------------------------

SimFileSystem::Inode& SimFileSystem::at(const std::string& path) const {
    const auto found = live_.find(path);
    if (found == live_.end()) throw std::out_of_range("no such file: " + path);
    return *found->second;
}

std::vector<std::uint8_t> SimFileSystem::contents(const std::string& path) const {
    return at(path).cache;
}

void SimFileSystem::overwrite(const std::string& path, std::uint64_t offset,
                              std::span<const std::uint8_t> bytes) {
    if (!live_.contains(path)) live_[path] = durable_[path] = std::make_shared<Inode>();
    Inode& inode = at(path);
    inode.write(offset, bytes);
    inode.persist_all();
}

void SimFileSystem::flip_bit(const std::string& path, std::uint64_t offset, unsigned bit) {
    const auto byte = static_cast<std::uint8_t>(at(path).cache.at(offset) ^ (1U << bit));
    overwrite(path, offset, {&byte, 1});
}

void SimFileSystem::cut(const std::string& path, std::uint64_t size) {
    at(path).resize(size);
    at(path).persist_all();
}

void SimFileSystem::copy(const std::string& from, const std::string& to) {
    drop(to);
    overwrite(to, 0, contents(from));
}

void SimFileSystem::drop(const std::string& path) {
    live_.erase(path);
    durable_.erase(path);
}

std::vector<std::string> SimFileSystem::paths() const {
    std::vector<std::string> result;
    for (const auto& [path, inode] : live_) {
        if (!inode->directory) result.push_back(path);
    }
    return result;
}

bool SimFileSystem::holds(std::string_view bytes) const {
    const auto in = [bytes](const std::vector<std::uint8_t>& data) {
        return !data.empty() &&
               std::string_view(reinterpret_cast<const char*>(data.data()), data.size())
                       .find(bytes) != std::string_view::npos;
    };
    for (const Entries* entries : {&live_, &durable_}) {
        for (const auto& [path, inode] : *entries) {
            if (in(inode->cache) || in(inode->disk)) return true;
        }
    }
    return false;
}

// --- FileSystem
// ------------------------------------------------------------------------------------

std::uint64_t SimFileSystem::used() const {
    std::uint64_t bytes = 0;
    for (const auto& [path, inode] : live_) bytes += inode->cache.size();
    return bytes;
}

void SimFileSystem::apply(Entries& entries, const PendingChange& change) {
    for (const auto& [name, inode] : change.names) {
        if (inode) {
            entries[name] = inode;
        } else {
            entries.erase(name);
        }
    }
}

void SimFileSystem::change(const std::string& directory,
                           std::vector<std::pair<std::string, std::shared_ptr<Inode>>> names) {
    pending_.push_back({directory, std::move(names)});
    apply(live_, pending_.back());
    crash_if_due();
}

Result<std::unique_ptr<storage::File>> SimFileSystem::create(const std::string& path) {
    if (opening_errno_ != 0) return system_error(opening_errno_, "create", path);
    if (*open_files_ >= descriptors_) return system_error(EMFILE, "create", path);
    if (const auto error = begin(SimOp::create, path)) return system_error(*error, "create", path);
    if (live_.contains(path)) return system_error(EEXIST, "create", path);
    if (!live_.contains(parent(path))) return system_error(ENOENT, "create", path);
    const auto inode = std::make_shared<Inode>();
    change(parent(path), {{path, inode}});
    return std::unique_ptr<storage::File>(std::make_unique<SimFile>(*this, inode, path));
}

Result<std::unique_ptr<storage::File>> SimFileSystem::open(const std::string& path) {
    if (opening_errno_ != 0) return system_error(opening_errno_, "open", path);
    if (*open_files_ >= descriptors_) return system_error(EMFILE, "open", path);
    if (const auto error = fault_of(SimOp::open, path)) return system_error(*error, "open", path);
    const auto found = live_.find(path);
    if (found == live_.end()) return system_error(ENOENT, "open", path);
    return std::unique_ptr<storage::File>(std::make_unique<SimFile>(*this, found->second, path));
}

Result<std::unique_ptr<storage::File>> SimFileSystem::open_read_only(const std::string& path) {
    return open(path);
}

Result<void> SimFileSystem::rename(const std::string& from, const std::string& to) {
    if (const auto error = begin(SimOp::rename, from)) return system_error(*error, "rename", from);
    const auto found = live_.find(from);
    if (found == live_.end()) return system_error(ENOENT, "rename", from);
    if (parent(from) == parent(to)) {
        change(parent(to), {{to, found->second}, {from, nullptr}});
        return {};
    }
    // One step for readers, two for the disk.
    const auto inode = found->second;
    pending_.push_back({parent(to), {{to, inode}}});
    apply(live_, pending_.back());
    change(parent(from), {{from, nullptr}});
    return {};
}

Result<void> SimFileSystem::remove(const std::string& path) {
    if (const auto error = begin(SimOp::remove, path)) return system_error(*error, "remove", path);
    if (!live_.contains(path)) return system_error(ENOENT, "remove", path);
    change(parent(path), {{path, nullptr}});
    return {};
}

Result<void> SimFileSystem::link(const std::string& from, const std::string& to) {
    if (const auto error = begin(SimOp::create, to)) return system_error(*error, "link", from);
    const auto found = live_.find(from);
    if (found == live_.end()) return system_error(ENOENT, "link", from);
    if (live_.contains(to)) return system_error(EEXIST, "link", from);
    change(parent(to), {{to, found->second}});
    return {};
}

Result<void> SimFileSystem::sync_directory(const std::string& path) {
    if (const auto error = begin(SimOp::sync_directory, path)) {
        return system_error(*error, "sync", path);
    }
    crash_if_due();
    for (const PendingChange& change : pending_) {
        if (change.directory == path) apply(durable_, change);
    }
    std::erase_if(pending_, [&](const PendingChange& change) { return change.directory == path; });
    return {};
}

Result<void> SimFileSystem::make_directory(const std::string& path) {
    if (live_.contains(path)) return {};
    if (const auto error = begin(SimOp::mkdir, path)) {
        return system_error(*error, "make the directory", path);
    }
    auto inode = std::make_shared<Inode>();
    inode->directory = true;
    change(parent(path), {{path, inode}});
    return {};
}

Result<std::vector<std::string>> SimFileSystem::list(const std::string& path) {
    if (!live_.contains(path)) return system_error(ENOENT, "list", path);
    std::vector<std::string> names;
    for (const auto& [name, inode] : live_) {
        if (name != "/" && parent(name) == path) names.push_back(name.substr(name.rfind('/') + 1));
    }
    return names;
}

Result<bool> SimFileSystem::exists(const std::string& path) {
    return live_.contains(path);
}

Result<std::shared_ptr<void>> SimFileSystem::lock(const std::string& path) {
    if (read_only_ != 0) return system_error(read_only_, "create", path);
    auto& held = locks_[path];
    if (!held.expired()) return system_error(EWOULDBLOCK, "lock", path);
    std::shared_ptr<void> token = std::make_shared<int>(0);
    held = token;
    return token;
}

Result<std::optional<std::string>> SimFileSystem::lock_holder(const std::string& path) {
    const auto held = locks_.find(path);
    if (held == locks_.end() || held->second.expired()) return std::optional<std::string>();
    return std::optional<std::string>("this process");
}

Result<std::uint64_t> SimFileSystem::free_space(const std::string&) {
    return capacity_ - std::min(capacity_, used());
}

}  // namespace flowrelay::test
