//! Open descriptors sent over a Unix socket (`SCM_RIGHTS` of `unix(7)`).

use rustix::cmsg_space;
use rustix::io::{IoSlice, IoSliceMut};
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};
use tokio::io::Interest;
use tokio::net::UnixStream;

/// The most that are sent together: the listening socket and a few locks.
const MOST: usize = 8;
/// The one byte that they travel with, which says how they are followed.
const FORM: u8 = b'1';

/// Sends them; the receiver gets copies.
pub(super) async fn send(to: &UnixStream, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
    to.writable().await?;
    let sent = to.try_io(Interest::WRITABLE, || {
        let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(MOST))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
            return Err(io::Error::other(format!("more than {MOST} descriptors")));
        }
        Ok(sendmsg(to, &[IoSlice::new(&[FORM])], &mut control, SendFlags::NOSIGNAL)?)
    })?;
    if sent == 1 { Ok(()) } else { Err(io::ErrorKind::WriteZero.into()) }
}

/// Receives what [`send`] sends.
pub(super) async fn receive(from: &UnixStream) -> io::Result<Vec<OwnedFd>> {
    loop {
        from.readable().await?;
        match from.try_io(Interest::READABLE, || read(from)) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            received => return received,
        }
    }
}

fn read(from: &UnixStream) -> io::Result<Vec<OwnedFd>> {
    let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(MOST))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let mut form = [0];
    let flags = RecvFlags::CMSG_CLOEXEC;
    let read = recvmsg(from, &mut [IoSliceMut::new(&mut form)], &mut control, flags)?;
    if read.bytes == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    if form != [FORM] {
        return Err(io::Error::other("the router before hands over in a form of its own"));
    }
    let rights = control.drain().filter_map(|message| match message {
        RecvAncillaryMessage::ScmRights(descriptors) => Some(descriptors),
        _ => None,
    });
    Ok(rights.flatten().collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Seek, Write};
    use std::os::fd::AsFd;

    #[tokio::test]
    async fn a_descriptor_that_was_sent_is_the_same_file() {
        let (one, other) = UnixStream::pair().unwrap();
        let mut file = tempfile::tempfile().unwrap();
        send(&one, &[file.as_fd()]).await.unwrap();
        let mut received = receive(&other).await.unwrap();
        let mut copy = std::fs::File::from(received.remove(0));
        copy.write_all(b"seen").unwrap();
        file.rewind().unwrap();
        let mut text = String::new();
        file.read_to_string(&mut text).unwrap();
        assert_eq!((text.as_str(), received.len()), ("seen", 0));
    }

    #[tokio::test]
    async fn who_speaks_otherwise_or_not_at_all_hands_nothing_over() {
        let (one, other) = UnixStream::pair().unwrap();
        assert!(one.try_write(b"GET").is_ok());
        assert!(receive(&other).await.is_err());
        let (one, other) = UnixStream::pair().unwrap();
        drop(one);
        assert!(receive(&other).await.is_err());
    }
}
