package checkpoint

import "errors"

// Import publishes a copy of another store's checkpoint as one of this store's, with
// every byte verified on the way, and says what it is called there and here. It is a
// copy and no hard link: what a program does to one run's files must not harm another
// run. The other store may be read-only, and its owner may delete the checkpoint
// meanwhile: then it is ErrMissing, and nothing is published. ErrExists says that the
// id is taken.
func (s *Store) Import(from *Store, id, as string) (there, here Info, err error) {
	if err := errors.Join(CheckID(id), s.mayChange(as)); err != nil {
		return there, here, explain("import", id, err)
	}
	if there, here, err = s.importFrom(from, id, as); err != nil {
		err = explain("import", id, from.orMissing(id, err))
	}
	return there, here, err
}

func (s *Store) importFrom(from *Store, id, as string) (there, here Info, err error) {
	o, err := from.readOriginal(id)
	if err != nil {
		return there, here, err
	}
	there = o.m.info(id, o.encoded)
	staged, err := s.Stage(as)
	if err != nil {
		return there, here, err
	}
	if err = from.fill(s.disk, staged, o); err == nil {
		here, err = s.Publish(staged, as)
	}
	if err != nil {
		err = errors.Join(err, s.Discard(staged))
	}
	return there, here, err
}
